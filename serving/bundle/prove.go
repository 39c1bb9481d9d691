package bundle

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/devices"
	"shoal/engine"
	"shoal/serving"
	"shoal/serving/independence"
	"shoal/tensor"
)

const (
	// proofBudget is the time after which a signature's proof makes no run that the least one does not need; thoroughBudget where the
	// graph has ops that may mix rows.
	proofBudget    = 100 * time.Millisecond
	thoroughBudget = 400 * time.Millisecond
	// Where operators chose less precise arithmetic, or a GPU has chosen it, batches of other sizes round more.
	coarseRounding = 1e-2
	// patience is the time after which further signatures are proven once the version is available. Each costs at least the time in
	// which the engine optimises its graph.
	patience = 250 * time.Millisecond
)

// prove decides for each signature whether it is batched, and makes its first runs. A signature that may change the model's state is
// not run: the first client finds the state as the model has it. Where the configuration sets no batch size, the runs tell where to
// begin.
func (l *loader) prove(ctx context.Context, b *Bundle, batching *batcher.Config, mode Mode, log *slog.Logger) error {
	natures := b.model.Study()
	for name, sig := range b.described.Signatures {
		b.proofs[sig] = &proof{sig: sig, nature: natures[name]}
	}
	if err := l.chooseEngines(ctx, b, log); err != nil {
		return err
	}
	began := time.Now()
	for _, p := range b.inOrder() {
		if err := ctx.Err(); err != nil {
			return status.FromContextError(err).Err()
		}
		p.later = !l.Measure && time.Since(began) > patience
		refused := l.proveOne(b, p, batching, mode, log)
		if l.suspect(b.model, refused) && !expected(p.sig, refused) {
			return &suspectError{refused}
		}
		if s := p.state(); !s.Batched {
			log.Info("requests of the signature run alone", "signature", s.Signature, "reason", s.Reason)
		}
	}
	l.chooseSize(b, batching, mode)
	return nil
}

// Unbatchable says why requests of a signature run alone by default, whatever its runs would show; "": that has to be seen.
func Unbatchable(sig *tensor.Signature, n *engine.Nature) string {
	switch why := declaredUnbatched(sig); {
	case why != "":
		return why
	case n.Writes != "":
		return "it may change the model's state: " + n.Writes
	case n.Random != "":
		return "its answers differ from run to run: " + n.Random
	}
	return ""
}

// proveOne decides about one signature, as far as that can be before the first request. It returns the error of a model that does not
// take made-up rows.
func (l *loader) proveOne(b *Bundle, p *proof, c *batcher.Config, mode Mode, log *slog.Logger) (refused error) {
	first, declared := b.instances[0], declaredUnbatched(p.sig)
	switch why := Unbatchable(p.sig, p.nature); {
	case declared != "":
		p.decide(false, declared)
	case mode == BatchNone:
		p.decide(false, "batching is off")
	case mode == BatchAll:
		p.decide(true, reasonOperator)
	case why != "":
		p.decide(false, why)
	case !l.SyntheticWarmup:
		p.leaveOpen("made-up rows are not run: --synthetic_warmup=false")
	case p.later:
		p.leaveOpen("its rows have not been compared yet")
		return nil
	default:
		return b.experiment(p, first, b.timings.note(p.sig), l.rounding(b), log)
	}
	switch {
	case !l.SyntheticWarmup || p.nature.Writes != "":
		return nil
	case p.batched.Load():
		why, refused := probe(first, p.sig, warmSizes(c), log)
		if why != "" {
			p.decide(false, why)
		}
		return refused
	}
	return probeAlone(first, p.sig, log)
}

// experiment proves with synthetic rows. It returns the error of a model that does not take them.
func (b *Bundle) experiment(p *proof, runner independence.Runner, ran func(int, *tensor.Result, time.Duration), rounding float64, log *slog.Logger) (refused error) {
	ranges, budget := independence.Ranges, proofBudget
	if len(p.nature.Mixing) > 0 {
		ranges, budget = slices.Concat(ranges, independence.WideRanges), thoroughBudget
	}
	trials := independence.Synthetic(p.sig, p.nature.Images, ranges)
	if trials == nil {
		p.leaveOpen("made-up rows would be too large")
		return nil
	}
	began := time.Now()
	e := independence.Proof{Runner: runner, Signature: p.sig, Rounding: rounding, Budget: budget, Ran: ran}
	v := e.Try(trials)
	p.take(v)
	log.Debug("rows compared", "signature", p.sig.Name, "verdict", p.state().Reason, "mixing", p.nature.Mixing, "took", time.Since(began))
	if v.Refused != nil { // random values may be refused for good reasons; zeros seldom are
		return probeAlone(runner, p.sig, log)
	}
	return nil
}

// rounding is the relative error up to which two answers are the same.
func (l *loader) rounding(b *Bundle) float64 {
	if engine.ReportOf(b.model).Imprecise {
		return 5 * coarseRounding
	}
	for _, m := range b.members {
		if m.Kind == devices.GPU {
			return coarseRounding
		}
	}
	return independence.Rounding
}

// chooseSize prepares how the largest batch is found, where nobody set it.
func (l *loader) chooseSize(b *Bundle, c *batcher.Config, mode Mode) {
	if mode == BatchNone {
		return
	}
	c.FindBatchSize = c.MaxBatchSize == 0
	if b.program = engine.FingerprintOf(b.model); b.program != "" {
		for _, e := range b.engines { // another engine takes another time
			b.program += "|" + e.Engine
		}
	}
	known := l.sizes.recall(b.program)
	if known == nil {
		known = b.timings.of(b.representative())
	}
	for _, t := range known {
		c.Measured = append(c.Measured, t)
		b.report.Measured = append(b.report.Measured, serving.Timing{Rows: int64(t.Rows), Took: t.Took})
	}
}

// inOrder are the proofs, that of the default signature first, then by name.
func (b *Bundle) inOrder() []*proof {
	return slices.SortedFunc(maps.Values(b.proofs), func(x, y *proof) int {
		switch {
		case x.sig.Name == defaultSignature:
			return -1
		case y.sig.Name == defaultSignature:
			return 1
		}
		return cmp.Compare(x.sig.Name, y.sig.Name)
	})
}

// representative is the signature that stands for the others where something is run that is no request: the default one, or else the
// first by name, of those that change nothing. nil: there is none.
func (b *Bundle) representative() *tensor.Signature {
	for _, p := range b.inOrder() {
		if p.nature.Writes == "" {
			return p.sig
		}
	}
	return nil
}

// timings are the shortest runs seen of each signature, by their rows.
type timings map[*tensor.Signature]map[int]time.Duration

func (t timings) note(sig *tensor.Signature) func(int, *tensor.Result, time.Duration) {
	seen := make(map[int]time.Duration)
	t[sig] = seen
	return func(rows int, r *tensor.Result, took time.Duration) {
		took = cmp.Or(r.CPU, took)
		if best, ok := seen[rows]; !ok || took < best {
			seen[rows] = took
		}
	}
}

func (t timings) of(sig *tensor.Signature) (list []batcher.Timing) {
	for _, rows := range slices.Sorted(maps.Keys(t[sig])) {
		list = append(list, batcher.Timing{Rows: rows, Took: t[sig][rows]})
	}
	return list
}
