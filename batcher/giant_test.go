package batcher

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// An entry of very many rows does not fill the queue for its neighbours, and they are answered while it is still being run.
func TestGiantLeavesRoom(t *testing.T) {
	within(t, Config{MaxBatchSize: 8, MaxQueuedRows: 32}, 1, nil, slow, func(r *rig) {
		values := make([]int64, 1000)
		for i := range values {
			values[i] = int64(i)
		}
		giant := r.send(column(values...))
		time.Sleep(ms)
		second := r.send(column(values...)) // of giants one waits at a time
		if <-second.done; second.err == nil {
			t.Error("a second one is accepted")
		}
		for i := range int64(10) {
			small := r.send(column(i))
			if <-small.done; small.err != nil {
				t.Fatal(small.err)
			}
			select {
			case <-giant.done:
				t.Fatal("the giant went first")
			default:
			}
		}
		if <-giant.done; giant.err != nil {
			t.Fatal(giant.err)
		}
		synctest.Wait()
		if s := r.Stats(); s.Rows != 0 || r.backlog.giantRows != 0 {
			t.Errorf("%+v, and %d rows of giants, though nothing waits", s, r.backlog.giantRows)
		}
		r.wg.Wait()
	})
}

// A giant whose caller leaves takes its rows along.
func TestGiantLeaves(t *testing.T) {
	within(t, Config{MaxBatchSize: 8, MaxQueuedRows: 32}, 1, nil, slow, func(r *rig) {
		e := column(slices.Repeat([]int64{1}, 1000)...)
		e.Deadline = time.Now().Add(100 * ms)
		giant := r.send(e)
		if <-giant.done; giant.err == nil {
			t.Error("no error after the deadline")
		}
		r.wg.Wait()
		synctest.Wait()
		if n := r.backlog.giantRows; n != 0 {
			t.Errorf("%d rows of giants wait though nobody does", n)
		}
	})
}
