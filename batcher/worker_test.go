package batcher

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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
		pool     int32 // batches left to the pool, of one after the other
	}{
		"brief":              {ms, true, 0, 0},
		"far from its end":   {ms, true, time.Second, 0},
		"near its end":       {ms, true, 15 * ms, 3},
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
				t.Errorf("%s: the pool had %d batches, want %d", name, got, c.pool)
			}
		})
	}
}

// TestCallersLeaveTheRestToThePool: a caller runs one batch and is answered, however much has come meanwhile.
func TestCallersLeaveTheRestToThePool(t *testing.T) {
	cfg := Config{MaxBatchSize: 2, Measured: []Timing{{1, ms}, {2, ms}}}
	within(t, cfg, 1, nil, func(f *fake) { f.takes = ms }, func(r *rig) {
		starts := r.starts()
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
		r.wantSizes(1, 2, 2, 1)
		// The worker is idle again, and the next caller runs its own.
		synctest.Wait()
		<-r.send(column(9)).done
		if got := starts.Load(); got != 1 {
			t.Errorf("the pool was asked %d times", got)
		}
	})
}

// TestCallersRespectTheLimit: where no run may begin now, the caller does not wait for the place itself, and keeps its deadline.
func TestCallersRespectTheLimit(t *testing.T) {
	limit := NewLimiter(1)
	limit.acquire()
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
		limit.release()
		r.wg.Wait()
	})
}
