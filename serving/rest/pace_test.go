package rest

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPace lets connections be too slow, in fake time.
func TestPace(t *testing.T) {
	const rate = 1000
	for _, c := range []struct {
		name       string
		phase      uint64
		every      time.Duration
		bytes      int64
		after      time.Duration // when it is cut off; 0: never
		atTheStart int64
	}{
		{"nothing arrives", receiving, time.Minute, 0, 10 * time.Second, 0},
		{"nothing is read", sending, time.Minute, 0, 10 * time.Second, 0},
		{"a byte now and then", receiving, time.Second, 1, 10 * time.Second, 0},
		{"fast enough", receiving, time.Second, 1100, 0, 0},
		{"much, and then nothing", receiving, time.Hour, 0, 20 * time.Second, 1 << 30},
		{"a run that takes long", working, time.Hour, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p pace
				p.enter(c.phase)
				began := time.Now()
				move := began.Add(c.every)
				late := time.Duration(0)
				for now := began; now.Before(began.Add(2 * time.Minute)); now = time.Now() {
					if !now.Before(move) {
						p.moved.Add(c.bytes)
						move = now.Add(c.every)
					}
					if p.late(now, rate) {
						late = now.Sub(began)
						break
					}
					if now == began {
						p.moved.Add(c.atTheStart)
					}
					time.Sleep(time.Second)
				}
				if late != c.after {
					t.Errorf("cut off after %v, want %v", late, c.after)
				}
			})
		})
	}
}
