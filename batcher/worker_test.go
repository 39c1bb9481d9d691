package batcher

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// starts counts how often the pool gets the workers to run.
func (r *rig) starts() *atomic.Int32 {
	n := new(atomic.Int32)
	for _, w := range r.all {
		start := w.start
		w.start = func() {
			n.Add(1)
			start()
		}
	}
	return n
}

// TestCallersRunBriefBatches: the caller that finds an instance idle runs the batch itself, unless the run is long or not known, or
// the deadline near; what has come meanwhile is run by the pool.
func TestCallersRunBriefBatches(t *testing.T) {
	for name, c := range map[string]struct {
		takes    time.Duration
		known    bool
		deadline time.Duration
		pool     int32 // batches left to the worker's own goroutine, of one after the other
	}{
		"brief":              {ms, true, 0, 1},
		"far from its end":   {ms, true, time.Second, 1},
		"near its end":       {ms, true, 150 * ms, 3},
		"long":               {5 * ms, true, 0, 3},
		"not known at first": {ms, false, 0, 1},
	} {
		cfg := Config{MaxBatchSize: 4}
		if c.known {
			cfg.Measured = []Timing{{1, c.takes}, {4, c.takes}}
		}
		within(t, cfg, 1, nil, func(f *fake) { f.takes = c.takes }, func(r *rig) {
			starts := r.starts()
			for i := range int64(3) {
				e := column(i)
				if c.deadline > 0 {
					e.Deadline = time.Now().Add(c.deadline)
				}
				one := r.send(e)
				<-one.done
				synctest.Wait() // the worker rests
				if one.err != nil || one.took != c.takes {
					t.Errorf("%s: %v after %v", name, one.err, one.took)
				}
			}
			if got := starts.Load(); got != c.pool {
				t.Errorf("%s: others ran %d batches, want %d", name, got, c.pool)
			}
		})
	}
}

// TestCallersRunOnlyWhatIsCertain: a caller keeps its deadline whatever its run takes. It does not run itself what may take
// longer than other runs of the shapes, nor shapes or sizes that have not run before.
func TestCallersRunOnlyWhatIsCertain(t *testing.T) {
	within(t, Config{Measured: []Timing{{1, ms}, {4, ms}}}, 1, nil, nil, func(r *rig) {
		r.fake.takes = ms
		starts := r.starts()
		run := func(e *Entry, long bool, inline bool) {
			t.Helper()
			before := starts.Load()
			if r.fake.takes = ms; long {
				r.fake.takes = time.Minute
			}
			e.Deadline = time.Now().Add(time.Second)
			one := r.send(e)
			<-one.done
			if long && (status.Code(one.err) != codes.DeadlineExceeded || one.took != time.Second) || !long && one.err != nil {
				t.Errorf("%v after %v", one.err, one.took)
			}
			time.Sleep(time.Hour)
			if got := starts.Load() == before; got != inline {
				t.Errorf("inline: %v", got)
			}
		}
		unsteady := func() *Entry {
			e := column(1)
			e.Signature = sigB
			return e
		}
		wide := &Entry{Signature: sigA, Inputs: []tensor.Tensor{intTensor(numbers(0, 1000), 1, 1000)}}
		run(column(1), false, false)
		run(column(1), false, true)
		run(column(1, 2), false, false)
		run(column(1, 2), false, true)
		run(unsteady(), false, false)
		run(unsteady(), false, false)
		run(unsteady(), true, false)
		for range 100 { // the long run is forgotten
			run(column(1), false, r.costs() <= brief)
		}
		run(wide, true, false)
	})
}

// costs is what a run of one row is expected to use.
func (r *rig) costs() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cost.latency(1)
}

// TestCallersLeaveTheRestToThePool: a caller runs one batch and is answered, however much has come meanwhile.
func TestCallersLeaveTheRestToThePool(t *testing.T) {
	cfg := Config{MaxBatchSize: 2, Measured: []Timing{{1, ms}, {2, ms}}}
	within(t, cfg, 1, nil, func(f *fake) { f.takes = ms }, func(r *rig) {
		starts := r.starts()
		<-r.send(column(0)).done // its shapes are known to be brief
		synctest.Wait()
		first := r.send(column(0))
		synctest.Wait()
		for i := range int64(5) {
			r.send(column(i + 1))
		}
		<-first.done
		if first.took != ms {
			t.Errorf("the first was answered after %v", first.took)
		}
		r.wg.Wait()
		r.wantSizes(1, 1, 2, 2, 1)
		// The worker is idle again, and the next caller runs its own.
		synctest.Wait()
		<-r.send(column(9)).done
		if got := starts.Load(); got != 2 {
			t.Errorf("the pool was asked %d times", got)
		}
	})
}

// TestCallersRespectTheLimit: where no run may begin now, the caller does not wait for the place itself, and keeps its deadline.
func TestCallersRespectTheLimit(t *testing.T) {
	limit := NewLimiter(1, nil)
	other := limit.newPlace(limit.join("other"))
	other.acquire(ms)
	cfg := Config{Measured: []Timing{{1, ms}}}
	within(t, cfg, 1, limit, func(f *fake) { f.takes = ms }, func(r *rig) {
		e := column(1)
		e.Deadline = time.Now().Add(time.Second)
		late := r.send(e)
		ctx, cancel := context.WithTimeout(context.Background(), 2*ms)
		defer cancel()
		left := r.sendCtx(ctx, column(2))
		<-left.done
		<-late.done
		if !errors.Is(left.err, errDeadlineQueued) || !errors.Is(late.err, errDeadlineQueued) || late.took != time.Second {
			t.Errorf("%v; %v after %v", left.err, late.err, late.took)
		}
		other.release(0)
		r.wg.Wait()
	})
}
