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
