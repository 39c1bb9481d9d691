package batcher

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// known are estimates for a model that takes 4 ms and 1 ms a row.
func known() *speed {
	s := new(speed)
	s.observe(1, 5*ms)
	s.observe(16, 20*ms)
	return s
}

// TestWithinObjective: 16 rows at most, within 30 ms, entries of one row whose ages in ms are given, the oldest first.
func TestWithinObjective(t *testing.T) {
	now := time.Unix(1000, 0)
	ages := func(n, of int) (list []int) {
		for range n {
			list = append(list, of)
		}
		return list
	}
	for _, c := range []struct {
		name      string
		instances int
		rate      float64 // a capacity of 2 · 16 rows each 20 ms is 1600/s
		ages      []int
		want      decision
	}{
		{"one instance: at once", 1, 1500, ages(3, 0), decision{rows: 3, reason: ReasonIdle}},
		{"one instance: the oldest would be late", 1, 1500, append([]int{26}, ages(3, 0)...), decision{shed: 1, rows: 3, reason: ReasonIdle}},
		{"one instance: more than a batch", 1, 1500, ages(40, 5), decision{rows: 16, reason: ReasonFull}},
		{"one instance: all are too old", 1, 1500, ages(5, 29), decision{shed: 5}},
		{"two, few requests: at once", 2, 100, ages(3, 0), decision{rows: 3, reason: ReasonIdle}},
		{"two: waits until a fourth row would be too much", 2, 1500, ages(3, 0), decision{until: now.Add(22 * ms)}},
		{"two: now it would be", 2, 1500, ages(3, 22), decision{rows: 3, reason: ReasonDue}},
		{"two: full", 2, 1500, ages(20, 0), decision{rows: 16, reason: ReasonFull}},
		{"two: an old one makes room for a full batch", 2, 1500, append([]int{20}, ages(20, 0)...), decision{shed: 1, rows: 16, reason: ReasonFull}},
		{"two: too few for a good batch", 2, 1500, append([]int{20}, ages(3, 0)...), decision{until: now.Add(ms)}},
		{"two: all nearly late", 2, 1500, ages(20, 24), decision{shed: 18, rows: 2, reason: ReasonDue}},
	} {
		cfg := Config{MaxBatchSize: 16, Objective: 30 * ms}
		cfg.EnsureDefaults()
		v := view{now: now, rows: len(c.ages), maxRows: 16, instances: c.instances, rate: c.rate, speed: known()}
		var last *task
		for _, age := range c.ages {
			e := &task{arrived: now.Add(-time.Duration(age) * ms), rows: 1, prev: last}
			if last == nil {
				v.head, v.oldest = e, e.arrived
			} else {
				last.next = e
			}
			last = e
		}
		got := withinObjective(cfg.Objective, &cfg)(v)
		if c.want.until.IsZero() != got.until.IsZero() || got.until.Sub(c.want.until).Abs() > ms/100 {
			t.Errorf("%s: until %v, want %v", c.name, got.until.Sub(now), c.want.until.Sub(now))
		}
		if got.until, c.want.until = (time.Time{}), (time.Time{}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestLate: an entry that cannot be in time is told so at once when the instance is free, and was not run.
func TestLate(t *testing.T) {
	cfg := Config{MaxBatchSize: 1, Objective: 25 * ms, Measured: []Timing{{1, 10 * ms}}}
	within(t, cfg, 1, nil, slow, func(r *rig) {
		var calls []*call
		for i := range int64(4) {
			calls = append(calls, r.send(column(i)))
		}
		r.wg.Wait()
		for i, c := range calls {
			switch {
			case i < 2 && c.err != nil:
				t.Errorf("%d: %v", i, c.err)
			case i >= 2:
				late, ok := errors.AsType[*LateError](c.err)
				if !ok || !errors.Is(c.err, ErrLate) || status.Code(c.err) != codes.Unavailable || late.RetryAfter() < 0 || c.took > 20*ms {
					t.Errorf("%d: %v after %v", i, c.err, c.took)
				}
			}
		}
		r.wantSizes(1, 1)
	})
}

// TestObjectiveTooShort: where nothing can be in time everything is run all the same, so that the estimate can get better.
func TestObjectiveTooShort(t *testing.T) {
	cfg := Config{MaxBatchSize: 8, Objective: ms, Measured: []Timing{{1, 10 * ms}}}
	within(t, cfg, 2, nil, slow, func(r *rig) {
		for i := range int64(20) {
			r.send(column(i))
		}
		r.wg.Wait()
		total := 0
		for _, n := range r.fake.sizes() {
			total += n
		}
		if total != 20 {
			t.Errorf("%d of 20 were run", total)
		}
	})
}

// TestEconomical: where batches are padded, running some rows later may cost less than padding them now.
func TestEconomical(t *testing.T) {
	cfg := Config{MaxBatchSize: 64, AllowedBatchSizes: []int{8, 64}}
	cfg.EnsureDefaults()
	s := new(speed)
	s.observe(8, 8*ms)
	s.observe(64, 64*ms)
	head := &task{rows: 1}
	for rows, want := range map[int]int{5: 5, 8: 8, 9: 8, 60: 8, 64: 64} {
		o := outlook{view: view{speed: s}, config: &cfg, head: head}
		if got := o.economical(rows); got != want {
			t.Errorf("%d rows: %d, want %d", rows, got, want)
		}
	}
}

// TestClosingKeepsPromises: what was accepted is run when the batcher closes, late or not.
func TestClosingKeepsPromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.takes = 20 * ms // twice as long as was known
		b, err := New(Config{MaxBatchSize: 1, Objective: 25 * ms, Measured: []Timing{{1, 10 * ms}}}, f.instances(1), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 2)
		for i := range int64(2) {
			go func() {
				a, err := b.Do(t.Context(), &Entry{Signature: sigA, Inputs: []tensor.Tensor{intTensor([]int64{i}, 1, 1)}})
				a.Free()
				errs <- err
			}()
		}
		synctest.Wait()
		b.Close()
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
