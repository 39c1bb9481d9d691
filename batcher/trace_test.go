package batcher

import (
	"slices"
	"testing"
	"time"
)

// TestTraces: what an entry carries reaches the observer with every batch that the entry is in, before the entry is
// answered, and once more at its end.
func TestTraces(t *testing.T) {
	w := &watcher{}
	var start time.Time
	within(t, Config{MaxBatchSize: 4}, 1, nil, slow, func(r *rig) {
		r.obs, start = w, r.fake.start
		traced := func(e *Entry, trace any) *Entry {
			e.Trace = trace
			return e
		}
		for _, e := range []*Entry{traced(column(0), "a"), traced(column(1), "b"), column(2), traced(column(3, 4, 5, 6, 7), "divided")} {
			r.send(e)
		}
		r.wg.Wait()
		for _, b := range w.batches {
			if in, ok := b.Executor.(*fakeInstance); !ok || in.fake != r.fake {
				t.Errorf("a batch ran on %v", b.Executor)
			}
		}
	})
	seen := make(map[any]int)
	for i, b := range w.batches {
		for _, trace := range b.Traces {
			seen[trace]++
		}
		if at := b.Start.Sub(start); at != time.Duration(i)*10*ms {
			t.Errorf("batch %d was taken at %v", i, at)
		}
	}
	if seen["a"] != 1 || seen["b"] != 1 || seen["divided"] < 2 || len(seen) != 3 {
		t.Errorf("traces in batches: %v", seen)
	}
	var ends []any
	for _, e := range w.entries {
		ends = append(ends, e.Trace)
		if at := e.Arrived.Sub(start); at != 0 {
			t.Errorf("an entry arrived at %v", at)
		}
	}
	for _, want := range []any{"a", "b", nil, "divided"} {
		if !slices.Contains(ends, want) {
			t.Errorf("%v has no end among %v", want, ends)
		}
	}
}
