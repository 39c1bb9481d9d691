package batcher

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"shoal/tensor"
)

// TestShapesAreBounded: shapes come from clients; beyond the bound an entry is not refused but runs alone, and queues
// that are empty make room.
func TestShapesAreBounded(t *testing.T) {
	within(t, Config{MaxQueues: 2}, 1, nil, slow, func(r *rig) {
		shaped := func(width int64) *Entry {
			return &Entry{Signature: sigA, Inputs: []tensor.Tensor{intTensor(make([]int64, width), 1, width)}}
		}
		r.send(shaped(1))
		for range 2 {
			for _, w := range []int64{1, 2, 3} {
				r.send(shaped(w))
			}
		}
		r.wg.Wait()
		r.wantSizes(1, 2, 2, 0, 0)
		for w := range int64(50) {
			c := r.send(shaped(w + 4))
			if <-c.done; c.err != nil {
				t.Error(c.err)
			}
		}
		if n := len(r.backlog.queues); n != 2 {
			t.Errorf("%d queues are kept", n)
		}
		if x := r.fake.runs[len(r.fake.runs)-1]; x.rows != 1 {
			t.Errorf("a new shape ran as %+v, though there are empty queues", x)
		}
	})
}

// TestBatchesAreCounted compares the running count of batches with one made from scratch, through random arrivals,
// departures and batches.
func TestBatchesAreCounted(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		cfg := Config{MaxBatchSize: 8, Split: seed%2 == 0, MaxQueuedRows: 1 << 30}
		cfg.EnsureDefaults()
		var bl backlog
		bl.init(&cfg, &speed{}, new(1))
		var waiting []*task
		now := time.Now()
		for range 300 {
			switch rnd.IntN(4) {
			case 0, 1:
				e := column(make([]int64, 1+rnd.IntN(20))...)
				tk := &task{sig: e.Signature, inputs: e.Inputs, arrived: now}
				tk.rows, tk.unbatched = measure(e, false)
				if _, _, err := bl.admit(tk, nil, time.Time{}); err != nil {
					t.Fatal(err)
				}
				waiting = append(waiting, tk)
			case 2:
				if n := len(waiting); n > 0 && rnd.IntN(3) == 0 {
					i := rnd.IntN(n)
					bl.remove(waiting[i])
					waiting = slices.Delete(waiting, i, i+1)
				}
			case 3:
				if q, d, _ := bl.next(now); q != nil {
					rows := 0
					for _, it := range bl.fill(nil, q, d.rows, now) {
						rows += it.rows()
					}
					if rows < 1 || rows > 8 {
						t.Fatalf("a batch of %d rows", rows)
					}
					waiting = slices.DeleteFunc(waiting, func(tk *task) bool { return tk.queue == nil })
				}
			}
			rows := 0
			for _, tk := range waiting {
				rows += tk.rows - tk.taken
			}
			if bl.entries != len(waiting) || bl.rows != rows {
				t.Fatalf("seed %d: %d entries of %d rows, want %d of %d", seed, bl.entries, bl.rows, len(waiting), rows)
			}
			for _, q := range bl.active {
				q.recount(&cfg)
				batches, open := q.batches, q.open
				q.outdated = true
				q.recount(&cfg)
				if q.batches != batches || q.open != open {
					t.Fatalf("seed %d: %d batches, %d rows in the open one; from scratch %d and %d", seed, batches, open, q.batches, q.open)
				}
			}
		}
	}
}

// watcher counts the observer's events.
type watcher struct {
	NoObserver
	mu       sync.Mutex
	batches  []BatchInfo
	entries  []EntryInfo
	rejected []error
	unbatch  []*tensor.Signature
}

func (w *watcher) BatchDone(i BatchInfo) {
	w.mu.Lock()
	w.batches = append(w.batches, i)
	w.mu.Unlock()
}
func (w *watcher) EntryDone(i EntryInfo) {
	w.mu.Lock()
	w.entries = append(w.entries, i)
	w.mu.Unlock()
}
func (w *watcher) EntryRejected(_ *tensor.Signature, e error) {
	w.mu.Lock()
	w.rejected = append(w.rejected, e)
	w.mu.Unlock()
}
func (w *watcher) SignatureUnbatched(s *tensor.Signature) {
	w.mu.Lock()
	w.unbatch = append(w.unbatch, s)
	w.mu.Unlock()
}

func TestObserver(t *testing.T) {
	w := &watcher{}
	setup := func(f *fake) {
		slow(f)
		f.fails = failOn(13)
	}
	within(t, Config{MaxBatchSize: 8, MaxTaskRows: 8, AllowedBatchSizes: []int{4, 8}}, 1, nil, setup, func(r *rig) {
		r.obs = w
		for _, e := range []*Entry{column(0), column(1, 2), column(13), column(make([]int64, 9)...)} {
			r.send(e)
		}
		r.wg.Wait()
	})
	var got []any
	for _, b := range w.batches {
		got = append(got, b.Reason, b.Entries, b.Rows, b.Size, b.Run, b.Err != nil)
	}
	want := []any{
		ReasonIdle, 1, 1, 4, 10 * ms, false,
		ReasonIdle, 2, 3, 4, 10 * ms, true,
		ReasonRetry, 1, 2, 4, 10 * ms, false,
		ReasonRetry, 1, 1, 4, 10 * ms, true,
	}
	if !slices.Equal(got, want) {
		t.Errorf("batches %v, want %v", got, want)
	}
	if len(w.entries) != 3 || len(w.rejected) != 1 || len(w.unbatch) != 0 {
		t.Errorf("entries %+v, rejected %v", w.entries, w.rejected)
	}
	if e := w.entries[1]; e.Err != nil || e.Rows != 2 || e.Queue != 10*ms || e.Run != 20*ms {
		t.Errorf("entry %+v", e)
	}
}

// TestManyCallers is in real time, for the race detector: callers that stay, leave and are divided, over a few instances.
func TestManyCallers(t *testing.T) {
	f := newFake(t)
	f.fails = failOn(-1)
	b, err := New(Config{MaxBatchSize: 16, BatchTimeout: 50 * time.Microsecond}, f.instances(3), NewLimiter(1, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	checks := make([][]func(), 32)
	for c := range checks {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(c), 3))
			for i := range 100 {
				e := column(numbers(1000*c+i, 1+rnd.IntN(24))...)
				checks[c] = append(checks[c], withArena(t, e))
				hasty := rnd.IntN(4) == 0
				if hasty {
					e.Deadline = time.Now().Add(time.Duration(rnd.IntN(200)) * time.Microsecond)
				}
				if rnd.IntN(20) == 0 {
					e.Inputs[0] = intTensor([]int64{-1}, 1, 1)
				}
				a, err := b.Do(t.Context(), e)
				switch {
				case err == nil:
					checkPlusOne(t, e, a)
				case !hasty && e.Inputs[0].Rows() > 1:
					t.Error(err)
				}
				a.Free()
			}
		})
	}
	wg.Wait()
	b.Close()
	for _, check := range slices.Concat(checks...) {
		check()
	}
	if n := f.unfreed.Load(); n != 0 {
		t.Errorf("%d results were not freed", n)
	}
}
