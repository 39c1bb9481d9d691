package batcher

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"shoal/tensor"
)

// rejections counts what the observer is told.
type rejections struct {
	NoObserver
	known, unknown int
}

func (r *rejections) EntryRejected(sig *tensor.Signature, _ error) {
	if sig == nil {
		r.unknown++
	} else {
		r.known++
	}
}

// TestHopeless: behind a run of 20 ms, with batches of two rows of 10 ms each and 60 ms to answer, entries are refused at once from
// the one on that would be late by more than half a batch.
func TestHopeless(t *testing.T) {
	cfg := Config{MaxBatchSize: 2, Objective: 60 * ms, Measured: []Timing{{1, 10 * ms}, {2, 20 * ms}}}
	within(t, cfg, 1, nil, func(f *fake) { f.takes = 20 * ms }, func(r *rig) {
		r.send(column(0, 0)) // runs until 20 ms
		synctest.Wait()
		var calls []*call
		for i := range int64(8) { // the first two run until 40 ms, the next two until 60; the fifth would until 70
			calls = append(calls, r.send(column(i)))
			synctest.Wait()
			if got, want := r.Refuses(nil), i >= 4; errors.Is(got, ErrLate) != want {
				t.Errorf("with %d waiting: %v", i+1, got)
			}
		}
		r.wg.Wait()
		for i, c := range calls {
			switch {
			case i < 4 && c.err != nil:
				t.Errorf("%d: %v", i, c.err)
			case i >= 4 && (!errors.Is(c.err, ErrLate) || (c.took == 0) != (i > 4)):
				t.Errorf("%d: %v after %v", i, c.err, c.took)
			}
		}
		if err := r.Refuses(nil); err != nil {
			t.Errorf("idle: %v", err)
		}
	})
}

// TestHopelessAreNotInTheWay: those that wait and will be given up are not counted as before a new entry.
func TestHopelessAreNotInTheWay(t *testing.T) {
	cfg := Config{MaxBatchSize: 1, Objective: 30 * ms, Measured: []Timing{{1, 20 * ms}}}
	within(t, cfg, 1, nil, func(f *fake) { f.takes = 20 * ms }, func(r *rig) {
		r.send(column(0))
		synctest.Wait()
		r.speed.observe(1, 10*ms)  // for a moment it looks as if
		first := r.send(column(1)) // this could be in time
		r.speed = speed{}
		r.speed.observe(1, 20*ms)
		time.Sleep(12 * ms)
		second := r.send(column(2))
		r.wg.Wait()
		if !errors.Is(first.err, ErrLate) || second.err != nil {
			t.Errorf("%v, %v", first.err, second.err)
		}
	})
}

// TestHopelessBehindALateRun: a run that takes longer than was expected does not open the queue to all that come meanwhile.
func TestHopelessBehindALateRun(t *testing.T) {
	cfg := Config{MaxBatchSize: 1, Objective: 30 * ms, Measured: []Timing{{1, 15 * ms}}}
	within(t, cfg, 1, nil, func(f *fake) { f.takes = 25 * ms }, func(r *rig) {
		r.send(column(0))
		time.Sleep(20 * ms) // it should have ended 5 ms ago
		var calls []*call
		for i := range int64(6) {
			calls = append(calls, r.send(column(i)))
			synctest.Wait()
		}
		r.wg.Wait()
		for i, c := range calls {
			if atOnce := errors.Is(c.err, ErrLate) && c.took == 0; atOnce != (i >= 2) {
				t.Errorf("%d: %v after %v", i, c.err, c.took)
			}
		}
	})
}

// TestRefuses: the bounds on what waits, before there is an entry.
func TestRefuses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"rows":  {MaxBatchSize: 1, MaxQueuedRows: 2},
		"bytes": {MaxBatchSize: 1, Memory: NewMemory(16)},
	} {
		within(t, cfg, 1, nil, slow, func(r *rig) {
			seen := new(rejections)
			r.obs = seen
			for i := range int64(3) { // one runs, the others wait
				if err := r.Refuses(sigA); err != nil {
					t.Errorf("%s: %d: %v", name, i, err)
				}
				r.send(column(i))
				synctest.Wait()
			}
			for _, sig := range []*tensor.Signature{nil, sigA} {
				full, ok := errors.AsType[*QueueFullError](r.Refuses(sig))
				if !ok || full.After < 0 {
					t.Errorf("%s: %v", name, full)
				}
			}
			if seen.known != 1 || seen.unknown != 1 {
				t.Errorf("%s: the observer was told of %+v", name, seen)
			}
			r.wg.Wait()
		})
	}
}
