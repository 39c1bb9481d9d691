// Package bundle makes servables of what engines load: instances of a model on its devices, a batcher in front of them, and a warm-up
// before the first request. It knows no engine.
package bundle

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"shoal/batcher"
	"shoal/devices"
	"shoal/engine"
	"shoal/internal/memory"
	"shoal/serving"
	"shoal/tensor"
)

// Options hold for every version that is loaded.
type Options struct {
	Engine engine.Engine

	// Second runs signatures of the models that Engine has loaded; nil: there is no other engine. EngineMode says when, for each
	// model by its name.
	Second          engine.Second
	EngineMode      func(model string) EngineMode
	EngineTolerance float64 // how far float32 outputs of the engines may differ; 0: DefaultEngineTolerance
	EngineMinGain   float64 // the part by which Second has to be faster to be chosen; 0: it need not be

	Instances    int            // runs of one version at once on each device, ≥ 1, where its instance groups do not say
	GPUInstances int            // the same on a GPU
	Devices      *devices.Fleet // nil: the CPU

	Batch        Mode
	Batching     batcher.Config
	BatchingFrom string // what gave Batching its MaxBatchSize, by the flag's name; for the report
	// OwnBatching reads a version's own PerModelFile, which replaces Batching; a version without one is not batched. nil:
	// such files are left alone.
	OwnBatching func(file string) (batcher.Config, error)
	// Priorities are a model's levels and queue policies. nil: every model has one level, without bounds of its own.
	Priorities func(model string) batcher.Priorities
	Limiter    *batcher.Limiter // runs at once over all models
	Observer   func(model string, version int64) batcher.Observer
	// Trace finds what the observer is to be handed of the request that a context belongs to. nil: nothing.
	Trace func(context.Context) any

	Warmup           bool // run the version's recorded requests before it is available
	WarmupIterations int  // how often each; below 1: once
	SyntheticWarmup  bool // run signatures with made-up inputs, those that change nothing
	Measure          bool // time batches of made-up inputs, for a report; not while others use the machine
	CheckMethodNames bool // in recorded requests as in clients'
	// Loaded is told how long reading a model took, and WarmedUp how long its recorded requests did; nil: nobody is.
	Loaded   func(model string, version int64, dir string, took time.Duration, err error)
	WarmedUp func(model string, version int64, dir string, records int, took time.Duration, err error)

	Logger *slog.Logger

	wrap func(batcher.Placed) batcher.Placed // around each instance; nil: none
}

// Bundle is a loaded version; it implements serving.Servable.
type Bundle struct {
	engine    engine.Engine
	model     engine.Model
	described *engine.Description
	instances []engine.Instance
	members   []*member // one for each device, the first with model
	follower  *follower // nil: there is no fleet to follow
	wrap      func(batcher.Placed) batcher.Placed
	batcher   *batcher.Batcher
	trace     func(context.Context) any
	engines   []*chosenEngine // which engine runs which signature; empty: there is one
	proofs    proofs          // which signatures are batched, and why not
	judge     *judge          // nil: nothing is compared
	timings   timings
	program   string // what the model computes; "": not known
	sizes     *sizeMemory
	report    serving.Report
	log       *slog.Logger
}

// A bundle has every behaviour that a servable can have.
var _ interface {
	serving.Servable
	serving.Refuser
	serving.Readier
	serving.Warner
	serving.Reporter
	serving.Queuer
	serving.Placed
} = (*Bundle)(nil)

const defaultSignature = "serving_default"

// Signature finds a signature by key; "" stands for serving_default.
func (b *Bundle) Signature(name string) (*tensor.Signature, bool) {
	if name == "" {
		name = defaultSignature
	}
	sig, ok := b.described.Signatures[name]
	return sig, ok
}

// Describe is what the engine says of the model.
func (b *Bundle) Describe() *engine.Description { return b.described }

// Run queues the request and waits for its answer.
func (b *Bundle) Run(ctx context.Context, e batcher.Entry) (*batcher.Answer, error) {
	e.Unbatched = !b.proofs.batched(e.Signature)
	if b.trace != nil {
		e.Trace = b.trace(ctx)
	}
	return b.batcher.Do(ctx, &e)
}

// Refuses implements serving.Refuser.
func (b *Bundle) Refuses(sig *tensor.Signature) error { return b.batcher.Refuses(sig) }

// Warning implements serving.Warner.
func (b *Bundle) Warning() string {
	s := b.batcher.Stats()
	if s.Overdue == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d instances run a batch that is overdue and may never end", s.Overdue, s.Instances)
}

// Stats implements serving.Queuer.
func (b *Bundle) Stats() batcher.Stats { return b.batcher.Stats() }

// closePatience is how long Close waits for runs. Whoever asked has been answered or has left by then, so that what still runs is
// of use to nobody.
const closePatience = 5 * time.Second

// Close runs what is queued, waits for it, and frees the model. A session with a run under way cannot be deleted: where one does
// not end within closePatience, Close returns, and the model is freed when the run ends, or with the process.
func (b *Bundle) Close() {
	b.follower.close()
	b.judge.close()
	b.sizes.ends(b.program, b.batcher)
	if b.batcher != nil && !b.batcher.CloseWithin(closePatience) {
		b.log.Warn("a run does not end: the version's memory is given back when it does")
		go func() {
			b.batcher.Close()
			b.free()
			b.log.Info("the run has ended, and the version's memory is given back")
		}()
		return
	}
	b.free()
}

func (b *Bundle) free() {
	closeMembers(b.members)
	memory.Release()
}
