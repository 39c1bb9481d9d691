package batcher

import (
	"testing"
	"testing/synctest"
	"time"
)

// A worker whose next run is of another kind leaves its place to who waits for one of the kind that it had.
func TestRenewGivesThePlaceOfAnotherKindBack(t *testing.T) {
	for _, kinds := range [][2]time.Duration{{time.Second, ms}, {ms, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			l := NewLimiter(1, nil)
			a, b := l.newPlace(l.join("a")), l.newPlace(l.join("b"))
			a.acquire(kinds[0])
			granted := false
			go func() {
				b.acquire(kinds[0])
				granted = true
			}()
			synctest.Wait()
			if granted || !b.waits() {
				t.Error("two have the one place")
			}
			a.renew(0, kinds[1])
			synctest.Wait()
			if !granted || b.waits() {
				t.Error("nobody has the place, and one waits for it")
			}
			a.release(0)
			b.release(0)
			for kind := range l.kinds {
				if l.kinds[kind].free != 1 {
					t.Errorf("%d places are free", l.kinds[kind].free)
				}
			}
		})
	}
}

// A place that was given up is not given back a second time, and what the run uses is charged once.
func TestPlaceThatWasGivenUp(t *testing.T) {
	l := NewLimiter(1, map[string]float64{"a": 2})
	p := l.newPlace(l.join("a"))
	p.acquire(time.Second)
	p.giveUp(3 * time.Second)
	p.giveUp(4 * time.Second)
	p.release(10 * time.Second)
	if f := &l.kinds[longRun]; f.free != 1 || p.claim.flows[longRun].start != 5 {
		t.Errorf("%d places are free, the tag is %v", f.free, p.claim.flows[longRun].start)
	}
	l.leave("a")
	if len(l.models) != 0 {
		t.Error("a model that is gone is known")
	}
}

// While brief runs keep a part of a core busy, long ones have a place less; it is given back when the brief ones become few.
func TestBusyBriefRunsKeepACoreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(2, nil)
		light, heavy := l.join("light"), l.join("heavy")
		briefRuns := func(n int, every time.Duration) {
			p := l.newPlace(light)
			for range n {
				p.acquire(us)
				time.Sleep(every)
				p.release(us)
			}
		}
		long := [2]*place{l.newPlace(heavy), l.newPlace(heavy)}
		atOnce := func() (n int) {
			for _, p := range long {
				if p.tryAcquire(time.Second) {
					n++
					defer p.release(time.Millisecond)
				}
			}
			return n
		}
		if n := atOnce(); n != 2 {
			t.Errorf("%d long runs at once at first, want 2", n)
		}
		briefRuns(3*reserveWindow, 100*us) // ten thousand a second
		if n := atOnce(); n != 1 {
			t.Errorf("%d long runs at once beside busy brief ones, want 1", n)
		}
		briefRuns(3, time.Second)
		if n := atOnce(); n != 1 { // the one that ends finds that there are few
			t.Errorf("%d long runs at once, want 1 until one has ended", n)
		}
		if n := atOnce(); n != 2 {
			t.Errorf("%d long runs at once when brief ones are few, want 2", n)
		}
		briefRuns(3*reserveWindow, 10*time.Millisecond) // a hundred a second
		if n := atOnce(); n != 2 {
			t.Errorf("%d long runs at once beside rare brief ones, want 2", n)
		}
	})
}
