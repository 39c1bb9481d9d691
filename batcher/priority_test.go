package batcher

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ofLevel is an entry of one row.
func ofLevel(level uint64, v int64) *Entry {
	e := column(v)
	e.Priority = level
	return e
}

func values(f *fake) (all [][]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.runs {
		all = append(all, r.values)
	}
	return all
}

func TestHigherLevelsGoFirst(t *testing.T) {
	cfg := Config{MaxBatchSize: 3, Priorities: Priorities{Levels: 3, Default: 2}}
	within(t, cfg, 1, nil, slow, func(r *rig) {
		r.send(column(0)) // runs at once
		for i, level := range []uint64{3, 0, 1, 3, 9, 2, 1} {
			r.send(ofLevel(level, int64(i+1)))
		}
		r.wg.Wait()
		// Levels 0 and 9 are the default, 2.
		if got, want := values(r.fake), [][]int64{{0}, {3, 7, 2}, {5, 6, 1}, {4}}; !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("batches %v, want %v", got, want)
		}
	})
}

// Without levels a priority has no effect.
func TestPrioritiesAreOff(t *testing.T) {
	within(t, Config{MaxBatchSize: 2}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		for i := range int64(3) {
			r.send(ofLevel(uint64(3-i), i+1))
		}
		r.wg.Wait()
		if got, want := values(r.fake), [][]int64{{0}, {1, 2}, {3}}; !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("batches %v, want %v", got, want)
		}
	})
}

// Signatures have queues of their own: the one whose first entry has the highest level goes first.
func TestLevelsOfSeveralQueues(t *testing.T) {
	within(t, Config{MaxBatchSize: 4, Priorities: Priorities{Levels: 2}}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		r.send(column(1))
		other := ofLevel(1, 2)
		other.Signature = sigB
		r.send(other)
		r.wg.Wait()
		if got := values(r.fake); len(got) != 3 || got[1][0] != 2 {
			t.Errorf("batches %v", got)
		}
	})
}

// The entry that has waited longest goes first with every eighth batch, however many of a higher level wait.
func TestNoLevelStarves(t *testing.T) {
	within(t, Config{MaxBatchSize: 1, Priorities: Priorities{Levels: 2}}, 1, nil, slow, func(r *rig) {
		r.send(ofLevel(1, 0))
		low := []*call{r.send(ofLevel(2, 100)), r.send(ofLevel(2, 101))}
		for i := range int64(40) {
			r.send(ofLevel(1, i+1))
		}
		r.wg.Wait()
		for i, at := range []int{agedTurn - 1, 2*agedTurn - 1} {
			if got := values(r.fake)[at]; got[0] != int64(100+i) || low[i].err != nil {
				t.Errorf("run %d has %v, %v", at, got, low[i].err)
			}
		}
	})
}

// Where there is no room, an entry takes the place of the newest one of the lowest level below its own.
func TestLowestLevelIsRejectedFirst(t *testing.T) {
	for name, cfg := range map[string]Config{
		"rows":    {MaxQueuedRows: 3},
		"bytes":   {Memory: NewMemory(24)},
		"batches": {MaxEnqueuedBatches: 3},
	} {
		cfg.MaxBatchSize, cfg.Priorities = 1, Priorities{Levels: 3}
		within(t, cfg, 1, nil, slow, func(r *rig) {
			r.send(column(0))
			third, second, late := r.send(ofLevel(3, 1)), r.send(ofLevel(2, 2)), r.send(ofLevel(3, 3))
			if err := r.Refuses(sigA); err != nil {
				t.Errorf("%s: an entry of level 1 would find room: %v", name, err)
			}
			if c := r.send(ofLevel(3, 4)); !errors.Is(c.err, ErrQueueFull) {
				t.Errorf("%s: another of the lowest level: %v", name, c.err)
			}
			var first []*call
			for i := range int64(3) {
				first = append(first, r.send(ofLevel(1, 5+i)))
			}
			for i, c := range []*call{late, third, second} {
				if !errors.Is(c.err, ErrQueueFull) || !strings.Contains(c.err.Error(), "higher priority") {
					t.Errorf("%s: %d: %v", name, i, c.err)
				}
			}
			if c := r.send(ofLevel(1, 8)); !errors.Is(c.err, ErrQueueFull) || name != "batches" && r.Refuses(sigA) == nil {
				t.Errorf("%s: the queue is full of the highest level: %v", name, c.err)
			}
			r.wg.Wait()
			for _, c := range first {
				if c.err != nil {
					t.Errorf("%s: %v", name, c.err)
				}
			}
		})
	}
}

func TestLimitOfALevel(t *testing.T) {
	p := Priorities{Levels: 2, Policies: []QueuePolicy{{}, {MaxEntries: 2}}}
	within(t, Config{MaxBatchSize: 1, Priorities: p}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		r.send(column(1))
		r.send(column(2))
		if c := r.send(column(3)); !errors.Is(c.err, ErrQueueFull) || !strings.Contains(c.err.Error(), "2 requests of priority level 2 are waiting and its max_queue_size is 2") {
			t.Error(c.err)
		}
		var others []*call
		for i := range int64(3) {
			others = append(others, r.send(ofLevel(1, i)))
		}
		r.wg.Wait()
		for _, c := range others {
			if c.err != nil {
				t.Error(c.err)
			}
		}
	})
}

// A time in the queue ends an entry that waits, at that moment, and none that is being run.
func TestQueueTimeout(t *testing.T) {
	p := Priorities{DefaultPolicy: QueuePolicy{Timeout: 15 * ms}}
	for _, c := range []struct {
		name     string
		own      time.Duration
		fixed    bool
		deadline time.Duration
		want     codes.Code
		after    time.Duration
	}{
		{"the policy's", 0, false, 0, codes.Unavailable, 15 * ms},
		{"a shorter one of its own", 4 * ms, false, 0, codes.Unavailable, 4 * ms},
		{"a longer one of its own", time.Hour, false, 0, codes.Unavailable, 15 * ms},
		{"its own is not allowed", 4 * ms, true, 0, codes.Unavailable, 15 * ms},
		{"the deadline is earlier", 0, false, 3 * ms, codes.DeadlineExceeded, 3 * ms},
	} {
		p.DefaultPolicy.NoOverride = c.fixed
		within(t, Config{MaxBatchSize: 1, Priorities: p}, 1, nil, func(f *fake) { f.takes = 10 * ms }, func(r *rig) {
			first, second := r.send(column(0)), r.send(column(1)) // the second starts after 10 ms and ends after 20
			e := column(2)
			e.QueueTimeout = c.own
			if c.deadline > 0 {
				e.Deadline = time.Now().Add(c.deadline)
			}
			third := r.send(e)
			r.wg.Wait()
			if status.Code(third.err) != c.want || third.took != c.after {
				t.Errorf("%s: %v after %v", c.name, third.err, third.took)
			}
			if first.err != nil || second.err != nil || second.took != 20*ms {
				t.Errorf("%s: %v, %v after %v", c.name, first.err, second.err, second.took)
			}
		})
	}
}

// A deadline still holds when the time in the queue is over and the entry runs.
func TestDeadlineAfterTheQueueTimeout(t *testing.T) {
	cfg := Config{MaxBatchSize: 1, Priorities: Priorities{DefaultPolicy: QueuePolicy{Timeout: 15 * ms}}}
	within(t, cfg, 1, nil, func(f *fake) { f.takes = 10 * ms }, func(r *rig) {
		r.send(column(0))
		e := column(1)
		e.Deadline = time.Now().Add(17 * ms)
		c := r.send(e)
		r.wg.Wait()
		if status.Code(c.err) != codes.DeadlineExceeded || c.took != 17*ms {
			t.Errorf("%v after %v", c.err, c.took)
		}
	})
}

// TestQueueOrder: through random arrivals, departures and batches a queue stays in order, and what is counted by level is there.
func TestQueueOrder(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		cfg := Config{MaxBatchSize: 8, Split: seed%2 == 0, MaxQueuedRows: 60, Priorities: Priorities{Levels: 3}}
		cfg.EnsureDefaults()
		var bl backlog
		bl.init(&cfg, &speed{}, new(1))
		now := time.Now()
		for range 300 {
			switch rnd.IntN(5) {
			case 0, 1, 2:
				e := column(make([]int64, 1+rnd.IntN(14))...) // none is a giant
				tk := &task{sig: e.Signature, inputs: e.Inputs, arrived: now, class: rnd.IntN(3), done: make(chan outcome, 1)}
				tk.rows, tk.unbatched = measure(e, false)
				tk.unbatched = rnd.IntN(4) == 0
				if _, _, err := bl.admit(tk, nil, time.Time{}); err != nil && !errors.Is(err, ErrQueueFull) {
					t.Fatal(err)
				}
			case 3:
				if q, d, _ := bl.next(now); q != nil {
					if items := bl.fill(nil, q, d.rows, now); len(items) == 0 || countRows(items) > 20 {
						t.Fatalf("a batch of %d rows", countRows(items))
					}
				}
			case 4:
				if len(bl.active) > 0 {
					bl.remove(bl.active[0].head)
				}
			}
			rows, entries := make([]int, 3), make([]int, 3)
			for _, q := range bl.active {
				last := make([]*task, 3)
				for tk := q.head; tk != nil; tk = tk.next {
					if p := tk.prev; p != nil && (p.class > tk.class || p.class == tk.class && p.order > tk.order || p.next != tk) {
						t.Fatalf("seed %d: class %d, order %d before class %d, order %d", seed, p.class, p.order, tk.class, tk.order)
					}
					last[tk.class] = tk
					rows[tk.class] += tk.rows - tk.taken
					entries[tk.class]++
				}
				if !slices.Equal(last, q.last) {
					t.Fatalf("seed %d: the last of each class are not known", seed)
				}
			}
			if !slices.Equal(rows, bl.levels.rows) || !slices.Equal(entries, bl.levels.entries) {
				t.Fatalf("seed %d: %v rows, %v entries; want %v and %v", seed, bl.levels.rows, bl.levels.entries, rows, entries)
			}
		}
	}
}

// TestOverloadOfALowLevel: under twice the load that can be served, of which a quarter of the capacity is of the high level, that
// level fares as if it were alone, but for the run that its entries find under way and for the turns of the others.
func TestOverloadOfALowLevel(t *testing.T) {
	const run, size = 10 * ms, 8 // a capacity of 2 · 8 rows each 10 ms
	high := func(low bool) (p99 time.Duration, lows int) {
		cfg := Config{MaxBatchSize: size, MaxQueuedRows: 200, Priorities: Priorities{Levels: 2}}
		within(t, cfg, 2, nil, func(f *fake) { f.takes = run }, func(r *rig) {
			var mu sync.Mutex
			var took []time.Duration
			send := func(level uint64) {
				start := time.Now()
				a, err := r.Do(context.Background(), ofLevel(level, 1))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case level == 1 && err != nil:
					t.Error(err)
				case level == 1:
					took = append(took, time.Since(start))
				case err == nil:
					lows++
				case !errors.Is(err, ErrQueueFull):
					t.Error(err)
				}
				a.Free()
			}
			arrive := func(seed uint64, level uint64, perSecond float64) {
				r.wg.Go(func() {
					rnd := rand.New(rand.NewPCG(seed, 4))
					for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
						time.Sleep(time.Duration(rnd.ExpFloat64() / perSecond * float64(time.Second)))
						r.wg.Go(func() { send(level) })
					}
				})
			}
			arrive(1, 1, 400)
			if low {
				arrive(2, 2, 2800)
			}
			r.wg.Wait()
			synctest.Wait()
			slices.Sort(took)
			p99 = took[len(took)*99/100]
		})
		return p99, lows
	}
	alone, _ := high(false)
	besides, lows := high(true)
	t.Logf("p99 alone %v, beside the others %v; %d of the low level were answered", alone, besides, lows)
	if besides > alone+run {
		t.Errorf("p99 %v, alone %v", besides, alone)
	}
	if capacity := 1600 * 20; lows < (capacity-400*20)*95/100 {
		t.Errorf("%d of the low level were answered, of about %d that there was room for", lows, capacity-400*20)
	}
}
