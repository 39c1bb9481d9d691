package batcher

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestSpeedRises: whatever was measured, a larger batch is not believed to be faster, nor fit to give one that is too slow.
func TestSpeedRises(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var s speed
		for range rnd.IntN(30) + 1 {
			s.observe(1+rnd.IntN(300), time.Duration(1+rnd.IntN(1e7)))
		}
		for b := 2; b < 400; b++ {
			if s.latency(b) < s.latency(b-1)-1 {
				t.Fatalf("seed %d: %d rows %v, %d rows %v", seed, b-1, s.latency(b-1), b, s.latency(b))
			}
		}
		within := time.Duration(rnd.IntN(1e7))
		fit := s.fit(within, 256, 1)
		if fit > 0 && s.latency(fit) > within || fit < 256 && s.latency(fit+1) <= within {
			t.Fatalf("seed %d: %d rows are said to fit %v; they take %v, one more %v", seed, fit, within, s.latency(fit), s.latency(fit+1))
		}
	}
}

// TestSpoiltEstimateHeals: a size that was slow once is not shunned for ever.
func TestSpoiltEstimateHeals(t *testing.T) {
	var s speed
	s.observe(32, 5*ms)
	s.observe(64, time.Second)
	for range 200 {
		b := s.fit(12*ms, 64, 1)
		if b <= 32 {
			t.Fatalf("only %d rows are tried", b)
		}
		s.observe(b, time.Duration(b)*ms/8+ms)
	}
	if got := s.fit(12*ms, 64, 1); got != 64 {
		t.Errorf("%d rows, worst %v", got, s.latency(64))
	}
}

// TestTail: the estimate settles where one of a hundred lies above.
func TestTail(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var p tail
	above := 0
	for i := range 200_000 {
		x := rnd.ExpFloat64()
		if i >= 100_000 && x > p.above(0) {
			above++
		}
		p.observe(x)
	}
	if above < 700 || above > 1400 {
		t.Errorf("%d of 100000 above", above)
	}
}
