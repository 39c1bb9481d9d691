package bundle

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/devices"
	"shoal/engine"
	"shoal/engine/choice"
	"shoal/serving"
	"shoal/tensor"
)

// EngineMode says which engine runs the signatures of a model.
type EngineMode int

// The modes.
const (
	OneEngine    EngineMode = iota // the one that has loaded the model
	FasterEngine                   // the second one, where it answers alike and is faster
	SecondEngine                   // the second one; a signature that it cannot run is an error
)

// trialBudget is the time after which a signature is compared with no more rows.
const trialBudget = 2 * time.Second

// maxSecondWeights bounds the weights that a second engine holds of a model: it lays them out once for each instance.
const maxSecondWeights = 2 << 30

// chosenEngine is which engine runs a signature.
type chosenEngine struct {
	serving.SignatureEngine
	use *choice.Use
}

// mode is the model's mode.
func (l *loader) engineMode() EngineMode {
	if l.Second == nil || l.EngineMode == nil {
		return OneEngine
	}
	return l.EngineMode(l.model)
}

// withChoice prepares an instance on the CPU for signatures that a second engine runs.
func withChoice(in engine.Instance, kind devices.Kind) engine.Instance {
	if kind != devices.CPU {
		return in
	}
	return choice.NewInstance(in)
}

// chooseEngines decides for each signature which engine runs it, before anything else runs.
func (l *loader) chooseEngines(ctx context.Context, b *Bundle, log *slog.Logger) error {
	mode := l.engineMode()
	if mode == OneEngine {
		return nil
	}
	var instances []*choice.Instance
	for _, in := range b.instances {
		if c, ok := in.(*choice.Instance); ok {
			instances = append(instances, c)
		}
	}
	recorded := l.recorded(ctx, b)
	for _, p := range b.inOrder() {
		if err := ctx.Err(); err != nil {
			return status.FromContextError(err).Err()
		}
		c := &chosenEngine{SignatureEngine: serving.SignatureEngine{Signature: p.sig.Name, Engine: l.Engine.Platform()}}
		t := &trial{loader: l, bundle: b, proof: p, chosen: c, instances: instances, recorded: recorded[p.sig], insisted: mode == SecondEngine}
		began := time.Now()
		why := t.run()
		if why != "" && mode == SecondEngine {
			return status.Errorf(codes.FailedPrecondition, "signature %q cannot run in %s, as --engine or the instance groups say: %s", p.sig.Name, l.Second.Name(), why)
		}
		if why != "" {
			c.Reason = why
		}
		b.engines = append(b.engines, c)
		log.Info("engine of a signature", append(c.Attributes(), slog.Duration("took", time.Since(began)))...)
	}
	return nil
}

// trial compares two engines on one signature.
type trial struct {
	*loader
	bundle    *Bundle
	proof     *proof
	chosen    *chosenEngine
	instances []*choice.Instance
	recorded  []*tensor.Batch
	insisted  bool // on the second engine
}

// run gives the signature to the second engine, or says why not.
func (t *trial) run() (why string) {
	exporter, ok := t.bundle.model.(engine.Exporter)
	switch n := t.proof.nature; {
	case n.Writes != "":
		return "it may change the model's state: " + n.Writes
	case n.Random != "":
		return "its answers differ from run to run: " + n.Random
	case len(t.instances) == 0:
		return "the model is on no CPU"
	case !ok:
		return "the model's engine gives none of its signatures to others"
	}
	if all := engine.ReportOf(t.bundle.model).Weights * int64(len(t.instances)); all > maxSecondWeights && !t.insisted {
		return fmt.Sprintf("its weights, once for each of %d instances, would take %d MB, more than %d: fewer --instances would do", len(t.instances), all>>20, maxSecondWeights>>20)
	}
	for _, list := range [][]tensor.Spec{t.proof.sig.Inputs, t.proof.sig.Outputs} {
		for _, s := range list {
			if s.DType == tensor.String {
				return fmt.Sprintf("%q has the type %v", s.Name, s.DType)
			}
		}
	}
	x, err := exporter.Export(t.proof.sig.Name)
	if err != nil {
		return status.Convert(err).Message()
	}
	defer x.Remove()
	if x.Refused != "" && !t.insisted {
		return x.Refused
	}
	taken, err := t.Second.Take(x, t.proof.sig)
	if err != nil {
		return status.Convert(err).Message()
	}
	defer taken.Close()
	second, err := taken.NewInstance()
	if err != nil {
		return status.Convert(err).Message()
	}
	if why = t.compare(t.instances[0].First(), second); why != "" {
		second.Close()
		return why
	}
	return t.give(taken, second)
}

// compare runs synthetic and recorded requests in both engines, and times them.
func (t *trial) compare(first, second engine.Instance) (why string) {
	var timed []*tensor.Batch
	all := choice.Agreement{Tolerance: t.tolerance()}
	all.Compare(first, second, t.recorded, time.Time{})
	deadline := time.Now().Add(trialBudget)
	for _, rows := range t.rows() {
		until := deadline
		if rows == trialRows[0] {
			until = time.Time{} // whatever it takes
		}
		batches := trials(t.proof.sig, rows)
		if !all.Compare(first, second, batches, until) {
			break
		}
		if slices.Contains(gainRows, rows) && len(batches) > 0 {
			timed = append(timed, batches[0])
		}
	}
	t.chosen.Difference = all.Difference
	if all.Why == "" && all.Compared == 0 {
		all.Why = "no request that it could be compared with ran in both engines"
	}
	if all.Why != "" && !t.insisted {
		return "the engines disagree: " + all.Why
	}
	if len(t.recorded) > 0 { // what clients send says more than what is made up
		timed = append(timed, t.recorded[0])
	}
	t.chosen.Gain = choice.Gain(first, second, timed)
	switch {
	case t.insisted:
		t.chosen.Reason = "the configuration says so"
		if all.Why != "" {
			t.chosen.Reason += ", although the engines disagree: " + all.Why
		}
	case t.EngineMinGain > 0 && t.chosen.Gain < 1+t.EngineMinGain:
		return fmt.Sprintf("it is not faster by %.0f%%", 100*t.EngineMinGain)
	case t.EngineMinGain > 0:
		t.chosen.Reason = "it answers alike and is faster"
	default:
		t.chosen.Reason = "it answers alike"
	}
	return ""
}

func (t *trial) tolerance() float64 {
	if t.EngineTolerance > 0 {
		return t.EngineTolerance
	}
	return DefaultEngineTolerance
}

// DefaultEngineTolerance is how far float32 outputs may differ, as a part of the largest value of their row.
const DefaultEngineTolerance = 1e-4

// rows are the numbers of rows to try: one where requests never share a batch.
func (t *trial) rows() []int64 {
	if declaredUnbatched(t.proof.sig) != "" {
		return trialRows[:1]
	}
	return trialRows
}

// give has all instances run the signature in the second engine.
func (t *trial) give(taken engine.Taken, first engine.Instance) (why string) {
	made := []engine.Instance{first}
	for len(made) < len(t.instances) {
		in, err := taken.NewInstance()
		if err != nil {
			for _, in := range made {
				in.Close()
			}
			return status.Convert(err).Message()
		}
		made = append(made, in)
	}
	t.chosen.Engine, t.chosen.use = t.Second.Name(), new(choice.Use)
	for i, in := range t.instances {
		in.Choose(t.proof.sig, made[i], t.chosen.use)
	}
	return ""
}
