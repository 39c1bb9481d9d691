package bundle

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"shoal/batcher"
	"shoal/tensor"
)

// judge compares the answers of a version while it serves. Where the rows of a signature are not known to be independent, its requests
// run alone, and now and then some are run again together: after enough agreement the signature is batched. Where it is batched, an
// answer out of a batch is compared now and then with the one that its request gets alone. One disagreement, and the signature is
// never batched again.
//
// Clients get the answers of their own runs. The comparisons go through the batcher like requests, at a small part of the time.
type judge struct {
	b        *Bundle
	rounding float64
	log      *slog.Logger

	samples   chan *sample
	hungry    atomic.Bool                   // a sample would be looked at soon
	recording atomic.Bool                   // the recorded requests are run: all are of interest
	comparing atomic.Pointer[tensor.Tensor] // the inputs of the comparison under way, which is no sample

	held map[*proof]*evidence // of the judge's goroutine
	stop context.CancelFunc
	done chan struct{}
}

const (
	// Parts of the time that comparisons may take: while a signature is not proven, and for good.
	provingShare  = 0.05
	watchingShare = 0.01
	// queuedSamples is how many wait: the recorded requests that a proof goes by.
	queuedSamples = 8
	// watchEvery is how many batches lie between two comparisons, once there were some; hundreds of times more than a run.
	watchEvery = 1024
	// comparisonPatience ends a comparison that finds no idle instance.
	comparisonPatience = 10 * time.Second
)

func newJudge(b *Bundle, rounding float64, log *slog.Logger) *judge {
	j := &judge{b: b, rounding: rounding, log: log, samples: make(chan *sample, queuedSamples), held: make(map[*proof]*evidence)}
	j.hungry.Store(true)
	return j
}

// wrap makes the judge look at instances, around what else is. It may be called on nil.
func (j *judge) wrap(inner func(batcher.Placed) batcher.Placed) func(batcher.Placed) batcher.Placed {
	if j == nil {
		return inner
	}
	return func(x batcher.Placed) batcher.Placed {
		if inner != nil {
			x = inner(x)
		}
		return &watched{x, j}
	}
}

// start begins to watch. The batcher must be there.
func (j *judge) start() {
	ctx, stop := context.WithCancel(context.Background())
	j.stop, j.done = stop, make(chan struct{})
	go func() {
		defer close(j.done)
		j.work(ctx)
	}()
}

// close ends the watch. It may be called on nil and on one that was not started.
func (j *judge) close() {
	if j == nil || j.stop == nil {
		return
	}
	j.stop()
	<-j.done
}

func (j *judge) work(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	j.postponed(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-j.samples:
			share := provingShare
			if s.proof.batched.Load() {
				share = watchingShare
			}
			began := time.Now()
			if !j.take(ctx, s) {
				continue
			}
			j.hungry.Store(false)
			pause.Reset(time.Duration(float64(time.Since(began)) * (1/share - 1)))
		case <-pause.C:
			j.hungry.Store(true)
		}
	}
}

// postponed makes the proofs that the load had no time for.
func (j *judge) postponed(ctx context.Context) {
	for _, p := range j.b.inOrder() {
		if !p.later || ctx.Err() != nil || !p.state().Unproven {
			continue
		}
		_ = j.b.experiment(p, runner{j, ctx}, nil, j.rounding, j.log) // what the model refuses is its verdict
		if s := p.state(); s.Batched {
			j.log.Info("requests of the signature share batches from now on", "signature", s.Signature)
		} else {
			j.log.Info("requests of the signature go on running alone", "signature", s.Signature, "reason", s.Reason)
		}
	}
}

// runner runs batches as requests that run alone.
type runner struct {
	judge *judge
	ctx   context.Context
}

// Run implements independence.Runner.
func (r runner) Run(b *tensor.Batch) (*tensor.Result, error) {
	a, err := r.judge.run(r.ctx, b.Signature, concatenate(b.Parts))
	if err != nil {
		return nil, err
	}
	return &tensor.Result{Outputs: a.Outputs, Release: a.Free}, nil
}

// settleRecorded goes by the recorded requests, which have just been run: before the first client's request.
func (j *judge) settleRecorded(ctx context.Context) {
	j.recording.Store(false)
	for {
		select {
		case s := <-j.samples:
			j.hold(s)
		default:
			for _, e := range j.held {
				j.weigh(ctx, e, agreementsRecorded)
			}
			clear(j.held)
			return
		}
	}
}

// take makes use of a sample and reports whether that took a comparison.
func (j *judge) take(ctx context.Context, s *sample) bool {
	if s.batched {
		j.check(ctx, s)
		return true
	}
	e := j.hold(s)
	if len(e.samples) < evidenceSamples {
		return false
	}
	j.weigh(ctx, e, agreementsLive)
	e.samples = e.samples[:0]
	return true
}

// run runs inputs alone, as a client's request would be, without being one.
func (j *judge) run(ctx context.Context, sig *tensor.Signature, inputs []tensor.Tensor) (*batcher.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, comparisonPatience)
	defer cancel()
	j.comparing.Store(&inputs[0])
	defer j.comparing.Store(nil)
	return j.b.batcher.Do(ctx, &batcher.Entry{Signature: sig, Inputs: inputs, Comparison: true})
}

// refute ends batching of the signature for good.
func (j *judge) refute(p *proof, why string) {
	was := p.batched.Load()
	p.decide(false, why)
	j.b.batcher.Unbatch(p.sig)
	if was {
		j.log.Error("a signature that was batched must not be: its requests run alone from now on", "signature", p.sig.Name, "reason", why)
		return
	}
	j.log.Warn("requests of the signature go on running alone", "signature", p.sig.Name, "reason", why)
}
