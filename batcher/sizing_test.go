package batcher

import (
	"context"
	"sync"
	"testing"
	"time"

	"shoal/tensor"
)

// machine is how long batches of a model run: a fixed part and a part for each row, which grows where the rows no longer fit a
// cache.
type machine struct {
	fixed, row time.Duration
	cache      int // rows; 0: any number fits
}

func (m machine) run(rows int) time.Duration {
	took := m.fixed + time.Duration(rows)*m.row
	if m.cache > 0 && rows > m.cache {
		took += time.Duration(rows-m.cache) * m.row
	}
	return took
}

// serveFull serves many batches under a load that fills every batch, and returns the size found.
func serveFull(s *sizing, q *queue, m machine, batches int) int {
	for range batches {
		rows := s.cfg.MaxExecutionBatchSize
		s.observe(q, rows, m.run(rows))
	}
	return s.cfg.MaxExecutionBatchSize
}

func newSizing(known ...Timing) *sizing {
	c := &Config{FindBatchSize: true, MaxQueuedRows: 1 << 14, Measured: known}
	s := new(sizing)
	s.init(c)
	return s
}

const us = time.Microsecond

var machines = []struct {
	name  string
	m     machine
	least int
	most  int
}{
	{"a dense model gains for long", machine{fixed: 160 * us, row: 8 * us}, 128, 512},
	{"a small one gains too", machine{fixed: 20 * us, row: us / 10}, 256, 512},
	{"a convolutional one gains nothing", machine{fixed: 500 * us, row: 7 * time.Millisecond}, 2, 2},
	{"one that outgrows the cache", machine{fixed: 400 * us, row: 100 * us, cache: 16}, 16, 32},
	{"one whose runs are long", machine{fixed: 100 * time.Millisecond, row: 4 * time.Millisecond}, 16, 64},
}

// Under full load the size is found by the runs alone, wherever it begins.
func TestSizeIsFoundByLiveRuns(t *testing.T) {
	for _, c := range machines {
		beginnings := map[string]*sizing{
			"of nothing":  newSizing(),
			"of few rows": newSizing(Timing{1, c.m.run(1)}, Timing{4, c.m.run(4)}),
			"at one row":  newSizing(Timing{1, us}, Timing{2, 50 * us}, Timing{8, 900 * us}), // measured in a bad moment
		}
		for begins, s := range beginnings {
			if got := serveFull(s, &queue{}, c.m, 8*trialEvery+2*trialLength); got < c.least || got > c.most {
				t.Errorf("%s, begun %s: %d rows, want %d to %d", c.name, begins, got, c.least, c.most)
			}
		}
	}
}

// What holds no longer is found out: a machine that was crowded is not any more.
func TestSizeFollowsTheMachine(t *testing.T) {
	s, q := newSizing(), &queue{}
	if got := serveFull(s, q, machine{fixed: 10 * us, row: time.Millisecond}, 3*trialEvery+2*trialLength); got != smallestSize {
		t.Fatalf("%d rows, want %d", got, smallestSize)
	}
	if got := serveFull(s, q, machine{fixed: 2 * time.Millisecond, row: 10 * us}, 5*trialEvery); got < 256 {
		t.Errorf("%d rows, want 256 or more", got)
	}
}

// Few rows at a time say nothing against larger batches.
func TestSizeStaysWhereLoadIsSmall(t *testing.T) {
	m := machine{fixed: 160 * us, row: 8 * us}
	s, q := newSizing(Timing{1, m.run(1)}, Timing{4, m.run(4)}), &queue{}
	before := s.cfg.MaxExecutionBatchSize
	for i := range 3*trialEvery + 2*trialLength {
		s.observe(q, 1+i%3, m.run(1+i%3))
	}
	if got := s.cfg.MaxExecutionBatchSize; before != 8 || got != before {
		t.Errorf("%d rows, and then %d", before, got)
	}
}

// A disturbed run, and rare requests of another shape, change nothing.
func TestSizeIsNotDecidedByABadMoment(t *testing.T) {
	m := machine{fixed: 160 * us, row: 8 * us}
	s, q, other := newSizing(), &queue{}, &queue{}
	want := serveFull(s, q, m, 2*trialEvery+2*trialLength)
	for i := range 2*trialEvery + 2*trialLength {
		rows := s.cfg.MaxExecutionBatchSize
		took := m.run(rows)
		if i%100 == 0 {
			took *= 1000
		}
		s.observe(q, rows, took)
		if i%3 == 0 {
			s.observe(other, 1, time.Second)
		}
	}
	if got := s.cfg.MaxExecutionBatchSize; got < want/2 || got > 2*want {
		t.Errorf("%d rows, and after disturbances %d", want, got)
	}
}

// Another version of the model begins where the last one was.
func TestSizeIsRemembered(t *testing.T) {
	m := machine{fixed: 160 * us, row: 8 * us}
	s := newSizing()
	want := serveFull(s, &queue{}, m, 3*trialEvery)
	if got := newSizing(s.timings()...).cfg.MaxExecutionBatchSize; got < want/2 || got > 2*want {
		t.Errorf("the next one begins with %d rows, the last one had %d", got, want)
	}
}

// The batcher's batches grow with the size, and entries that wait when it changes are all answered.
func TestBatchesGrowWithTheSizeFound(t *testing.T) {
	m := machine{fixed: 10 * time.Millisecond, row: 10 * us}
	known := []Timing{{1, time.Millisecond}, {8, 9 * time.Millisecond}}
	setup := func(f *fake) {
		f.fails = func(b *tensor.Batch) error {
			time.Sleep(m.run(b.Rows))
			return nil
		}
	}
	within(t, Config{FindBatchSize: true, Measured: known}, 1, nil, setup, func(r *rig) {
		before := r.Stats().Largest
		for range 60 {
			for i := range 300 {
				e := column(int64(i), int64(-i))
				r.wg.Go(func() {
					a, err := r.Do(context.Background(), e)
					if err != nil {
						t.Error(err)
						return
					}
					checkPlusOne(t, e, a)
					a.Free()
				})
			}
			r.wg.Wait()
		}
		if after := r.Stats().Largest; before > 8 || after < 64 {
			t.Errorf("%d rows at first, then %d", before, after)
		}
	})
}

// An entry of the batcher's owner runs alone, and the observer is told of its run only.
func TestComparisonsAreNoEntries(t *testing.T) {
	within(t, Config{}, 1, nil, slow, func(r *rig) {
		o := &counting{}
		r.Batcher.obs = o
		r.send(column(1))
		compares := column(2, 3)
		compares.Comparison = true
		r.send(compares)
		r.send(column(4))
		r.wg.Wait()
		r.wantSizes(1, 0, 1)
		if o.entries != 2 || o.comparisons != 1 {
			t.Errorf("told of %d entries and %d comparisons, want 2 and 1", o.entries, o.comparisons)
		}
	})
}

type counting struct {
	NoObserver
	mu                   sync.Mutex
	entries, comparisons int
}

func (o *counting) EntryDone(EntryInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries++
}

func (o *counting) BatchDone(b BatchInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b.Reason == ReasonComparison {
		o.comparisons++
	}
}
