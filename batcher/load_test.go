package batcher

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// TestLoad: the load counts what runs, less what is done of it, and what waits.
func TestLoad(t *testing.T) {
	measured := []Timing{{Rows: 1, Took: 10 * ms}, {Rows: 4, Took: 10 * ms}}
	within(t, Config{MaxBatchSize: 4, Measured: measured}, 1, nil, slow, func(r *rig) {
		want := func(load float64) {
			t.Helper()
			if got := r.Stats().Load; math.Abs(got-load) > 0.01 {
				t.Errorf("load %.3f, want %.3f", got, load)
			}
		}
		want(0)
		r.send(column(1))
		want(1)
		for i := range 8 {
			r.send(column(int64(i)))
		}
		want(3)
		time.Sleep(5 * ms)
		synctest.Wait()
		want(2.5)
		r.wg.Wait()
		want(0)
	})
	within(t, Config{MaxBatchSize: 4, Measured: measured, Objective: 100 * ms}, 1, nil, slow, func(r *rig) {
		r.mu.Lock()
		target := r.load(time.Now())
		r.all[0].until, r.idle = time.Now().Add(20*ms), nil
		busy := r.load(time.Now())
		r.all[0].until, r.idle = time.Time{}, r.all[:1:1]
		r.mu.Unlock()
		if target != 0 || math.Abs(busy-0.2) > 0.001 {
			t.Errorf("with an objective of 100 ms: %v, and with 20 ms of work %v", target, busy)
		}
	})
}
