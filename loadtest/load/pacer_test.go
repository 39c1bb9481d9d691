package load

import (
	"math"
	"slices"
	"testing"
	"time"
)

// schedule is the first n due times.
func schedule(p Pacer, n int) []time.Duration {
	list := make([]time.Duration, n)
	last := time.Duration(0)
	for i := range list {
		last = p.Next(uint64(i), last)
		list[i] = last
	}
	return list
}

func TestConstant(t *testing.T) {
	for _, c := range []struct {
		pacer Pacer
		want  []time.Duration
	}{
		{Constant{PerSecond: 1000}, []time.Duration{0, time.Millisecond, 2 * time.Millisecond}},
		{Constant{PerSecond: 0.5}, []time.Duration{0, 2 * time.Second, 4 * time.Second}},
		{Constant{PerSecond: 1000}.Split(0, 2), []time.Duration{0, 2 * time.Millisecond, 4 * time.Millisecond}},
		{Constant{PerSecond: 1000}.Split(1, 2), []time.Duration{time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond}},
	} {
		if got := schedule(c.pacer, 3); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.pacer, got, c.want)
		}
	}
}

func TestConstantDoesNotDrift(t *testing.T) {
	if got, want := (Constant{PerSecond: 3}).Next(3_000_000, 0), 1_000_000*time.Second; got != want {
		t.Errorf("request 3,000,000 at %v, want %v", got, want)
	}
}

// TestPoisson: the gaps have the mean and the spread of an exponential distribution, and are those of the seed.
func TestPoisson(t *testing.T) {
	const n, rate = 100_000, 500.0
	p := Poisson{PerSecond: rate, Seed: 7}
	times := schedule(p, n)
	if !slices.Equal(times[:100], schedule(p, 100)) {
		t.Error("the same seed gave other times")
	}
	if slices.Equal(times[:100], schedule(Poisson{PerSecond: rate, Seed: 8}, 100)) {
		t.Error("another seed gave the same times")
	}
	sum, squares, short := 0.0, 0.0, 0
	last := time.Duration(0)
	for _, at := range times {
		gap := (at - last).Seconds() * rate
		if gap < 0 {
			t.Fatal("a gap is negative")
		}
		sum, squares, last = sum+gap, squares+gap*gap, at
		if gap < math.Ln2 {
			short++
		}
	}
	mean := sum / n
	if variance := squares/n - mean*mean; math.Abs(mean-1) > 0.02 || math.Abs(variance-1) > 0.05 {
		t.Errorf("mean %.3f, variance %.3f of the gaps; both should be 1", mean, variance)
	}
	if share := float64(short) / n; math.Abs(share-0.5) > 0.01 {
		t.Errorf("%.3f of the gaps are shorter than the median", share)
	}
}

func TestPoissonSplit(t *testing.T) {
	p := Poisson{PerSecond: 900, Seed: 3}
	parts := []Pacer{p.Split(0, 3), p.Split(1, 3), p.Split(2, 3)}
	if slices.Equal(schedule(parts[0], 50), schedule(parts[1], 50)) {
		t.Error("two parts are the same stream")
	}
	for _, part := range parts {
		if part.Rate() != 300 {
			t.Errorf("a third of 900/s is %v/s", part.Rate())
		}
	}
}
