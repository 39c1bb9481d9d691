package limits

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestWaits(t *testing.T) {
	before, worked := runtime.GOMAXPROCS(0), false
	w := Waits(20*time.Millisecond, time.Millisecond, 1, 1, 2, func() func() { return func() { worked = true } })
	if len(w) == 0 || !slices.IsSorted(w) || w[0] < 0 || !worked || runtime.GOMAXPROCS(0) != before {
		t.Errorf("%v, worked: %v", w, worked)
	}
}
