package batcher

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/internal/testlog"
	"shoal/tensor"
)

// beside makes another model's batcher with the same limiter, within a test's bubble.
func (r *rig) beside(cfg Config, takes time.Duration) *rig {
	f := newFake(r.t)
	f.takes = takes
	cfg.Model = "another"
	b, err := New(cfg, f.instances(2), r.limit, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &rig{Batcher: b, t: r.t, fake: f}
}

func alwaysTakes(took time.Duration) []Timing { return []Timing{{1, took}, {128, took}} }

// A brief run never waits for a long one, a long one does, and of the brief ones no more run at once than there are places.
func TestBriefRunsNeedNoPlaceOfTheLongOnes(t *testing.T) {
	within(t, Config{Measured: alwaysTakes(100 * ms)}, 2, NewLimiter(1, nil), func(f *fake) { f.takes = 100 * ms }, func(r *rig) {
		light, heavy := r.beside(Config{MaxBatchSize: 1, Measured: alwaysTakes(ms)}, ms), r.beside(Config{Measured: alwaysTakes(20 * ms)}, 20*ms)
		r.send(column(1))
		long := heavy.send(column(1))
		for i := range 10 {
			if one := light.send(column(int64(i))); waitFor(one) != nil || one.took != ms {
				t.Errorf("%v after %v", one.err, one.took)
			}
		}
		for range 4 {
			light.send(column(1))
		}
		if waitFor(long) != nil || long.took != 120*ms {
			t.Errorf("the long run: %v after %v", long.err, long.took)
		}
		light.wg.Wait()
		if most := light.fake.most.Load(); most != 1 {
			t.Errorf("%d brief runs at once", most)
		}
		light.Close()
		heavy.Close()
	})
}

// A batch that has grown too long for a place of the brief ones waits for another.
func TestBatchOutgrowsItsPlace(t *testing.T) {
	measured := []Timing{{1, ms}, {2, 2 * ms}, {4, 40 * ms}, {8, 80 * ms}}
	within(t, Config{Measured: alwaysTakes(50 * ms)}, 1, NewLimiter(1, nil), func(f *fake) { f.takes = 50 * ms }, func(r *rig) {
		other, light := r.beside(Config{MaxBatchSize: 8, Measured: measured}, 40*ms), r.beside(Config{Measured: alwaysTakes(ms)}, ms)
		r.send(column(1))
		light.send(column(1))
		var calls []*call
		for i := range int64(4) {
			calls = append(calls, other.send(column(i)))
		}
		for _, c := range calls {
			if waitFor(c) != nil || c.took != 90*ms {
				t.Errorf("%v after %v", c.err, c.took)
			}
		}
		other.wantSizes(4)
		other.Close()
		light.Close()
	})
}

// Runs that do not end keep others from running for as long as it takes to see that they are overdue, and no longer. They are
// reported, and at last their instances are out of service: who waits is answered, and who comes, until one of them ends.
func TestEndlessRuns(t *testing.T) {
	log := new(testlog.Log)
	cfg := Config{MaxBatchSize: 1, StuckAfter: time.Minute, Logger: log.Logger(), Measured: alwaysTakes(5 * ms)}
	within(t, cfg, 2, NewLimiter(2, nil), func(f *fake) { f.takes = time.Hour }, func(r *rig) {
		unknown := r.beside(Config{}, ms)
		begun := time.Now()
		endless := []*call{r.send(column(1)), r.send(column(2))}
		first := unknown.send(column(1))
		if waitFor(first) != nil || first.took != tolerance*5*ms+ms {
			t.Errorf("%v after %v", first.err, first.took)
		}
		late := column(3)
		late.Deadline = begun.Add(2 * time.Second)
		if one := r.send(late); status.Code(waitFor(one)) != codes.DeadlineExceeded {
			t.Error(one.err)
		}
		if s := r.Stats(); s.Overdue != 2 || s.InService != 2 || r.Stranded() != nil || strings.Count(log.String(), "is overdue") != 2 {
			t.Errorf("%+v, %v\n%s", s, r.Stranded(), log)
		}
		waiting := r.send(column(4))
		if err := waitFor(waiting); !errors.Is(err, ErrStuck) || status.Code(err) != codes.Unavailable || time.Since(begun) != time.Minute ||
			!strings.Contains(err.Error(), "--stuck_run_timeout") {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if one := r.send(column(5)); !errors.Is(waitFor(one), ErrStuck) || one.took != 0 || !errors.Is(r.Stranded(), ErrStuck) {
			t.Errorf("%v after %v", one.err, one.took)
		}
		if s := r.Stats(); s.Overdue != 2 || s.InService != 0 {
			t.Errorf("%+v", s)
		}
		for _, c := range endless {
			if waitFor(c) != nil || c.took != time.Hour {
				t.Errorf("%v after %v", c.err, c.took)
			}
		}
		synctest.Wait()
		if s := r.Stats(); s.Overdue != 0 || s.InService != 2 || r.Stranded() != nil || strings.Count(log.String(), "has ended") != 2 {
			t.Errorf("%+v, %v\n%s", s, r.Stranded(), log)
		}
		if one := r.send(column(6)); waitFor(one) != nil {
			t.Error(one.err)
		}
		unknown.Close()
	})
}

// Long runs that are known to be long are not overdue, however short --stuck_run_timeout is, and none is where it is 0.
func TestLongRunsAreNotOverdue(t *testing.T) {
	for _, after := range []time.Duration{0, 10 * ms} {
		within(t, Config{StuckAfter: after, Measured: alwaysTakes(time.Minute)}, 1, nil, func(f *fake) { f.takes = 5 * time.Minute }, func(r *rig) {
			one := r.send(column(1))
			time.Sleep(4 * time.Minute)
			if s := r.Stats(); s.Overdue != 0 || s.InService != 1 {
				t.Errorf("%+v", s)
			}
			if waitFor(one) != nil {
				t.Error(one.err)
			}
		})
	}
}

// A device that fails while the run of another's only instance does not end leaves nobody, and its return somebody.
func TestStuckBesideAFailedDevice(t *testing.T) {
	placed(t, Config{StuckAfter: time.Minute, MaxBatchSize: 1}, nil, []string{"a", "b"}, func(r *rig, f *fleet) {
		f.takes["a"], f.takes["b"] = time.Hour, time.Hour
		r.send(column(1))
		time.Sleep(2 * time.Minute)
		r.Withdraw("a", "lost")
		r.Withdraw("b", "lost")
		if err := r.Stranded(); !errors.Is(err, ErrStuck) && !errors.Is(err, ErrNoDevice) {
			t.Error(err)
		}
		r.Restore("a")
		r.Restore("b")
		f.takes["a"], f.takes["b"] = ms, ms
		if one := r.send(column(2)); waitFor(one) != nil || one.took != ms {
			t.Errorf("%v after %v", one.err, one.took)
		}
	})
}

// metered is a fake that says it used less processor time than passed.
type metered struct {
	*fakeInstance
	uses  time.Duration
	asked *int
}

func (x metered) Run(b *tensor.Batch) (*tensor.Result, error) {
	r, err := x.fakeInstance.Run(b)
	if err == nil && !b.Unmetered {
		*x.asked++
		r.CPU = x.uses
	}
	return r, err
}

// What a run uses is what counts: one that only waits, or is kept from its core, stays brief. The shortest are not measured.
func TestRunsAreMetered(t *testing.T) {
	for uses, measured := range map[time.Duration]int{ms: 6, 100 * time.Microsecond: 1} {
		synctest.Test(t, func(t *testing.T) {
			f, asked := newFake(t), 0
			f.takes = 30 * ms
			b, err := New(Config{}, []Executor{metered{f.instances(1)[0].(*fakeInstance), uses, &asked}}, NewLimiter(1, nil), nil)
			if err != nil {
				t.Fatal(err)
			}
			r := &rig{Batcher: b, t: t, fake: f}
			for i := range int64(6) {
				<-r.send(column(i)).done
				synctest.Wait()
			}
			b.Close()
			if cost := b.cost.latency(1); asked < measured || cost > brief || b.speed.latency(1) != 30*ms {
				t.Errorf("%v: measured %d times, expected to use %v and to take %v", uses, asked, cost, b.speed.latency(1))
			}
			if s := b.Stats(); s.Used < 6*uses || s.Used > 6*brief {
				t.Errorf("%v: %v used", uses, s.Used)
			}
		})
	}
}
