package scenario

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"shoal/loadtest/load"
)

// simulated is a server that answers a share of its requests late, which grows steeply around its capacity: 1% at 1000/s.
func simulated(seed uint64, spoil func(call int, s *load.Summary)) (Probe, *int) {
	calls := 0
	return func(_ context.Context, rate float64, requests int, probeSeed uint64) (*load.Summary, error) {
		calls++
		r := rand.New(rand.NewPCG(seed, probeSeed))
		share := min(1, 0.01*math.Pow(rate/1000, 12))
		s := &load.Summary{Sent: uint64(requests), Good: uint64(requests)}
		for range requests {
			if r.Float64() < share {
				s.Late++
			}
		}
		if spoil != nil {
			spoil(calls, s)
		}
		return s, nil
	}, &calls
}

func search(t *testing.T, guess float64, probe Probe) *Search {
	t.Helper()
	s, err := FindMax(t.Context(), SearchOptions{Objective: Objective{Latency: 20 * time.Millisecond, Quantile: 0.99}, Guess: guess, Seed: 5}, probe)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFindMax: whatever the first guess, the search ends near the capacity, on a rate that was met by its own probe.
func TestFindMax(t *testing.T) {
	for _, guess := range []float64{40, 700, 1000, 1300, 20_000} {
		probe, calls := simulated(uint64(guess), nil)
		s := search(t, guess, probe)
		if s.Rate < 930 || s.Rate > 1040 {
			t.Errorf("guess %.0f: %.0f/s", guess, s.Rate)
		}
		if last := s.Trials[len(s.Trials)-1]; !last.Met || last.Rate != s.Rate || s.Summary == nil {
			t.Errorf("guess %.0f: the last trial is %+v", guess, last)
		}
		if *calls > 60 {
			t.Errorf("guess %.0f: %d probes", guess, *calls)
		}
	}
}

// TestFindMaxCountsFailures: a refused request misses the objective as a late one does.
func TestFindMaxCountsFailures(t *testing.T) {
	probe, _ := simulated(1, func(_ int, s *load.Summary) { s.Good -= s.Sent / 20 })
	if s := search(t, 1000, probe); s.Rate != 0 {
		t.Errorf("%.0f/s, though one in twenty is refused at any rate", s.Rate)
	}
}

// TestFindMaxVoid: a probe whose generator was late is made again and decides nothing, unless it is hopeless anyway.
func TestFindMaxVoid(t *testing.T) {
	probe, _ := simulated(1, func(call int, s *load.Summary) {
		if call%3 == 1 {
			*s = load.Summary{Sent: s.Sent, Good: s.Good, Late: s.Sent / 50, Void: "late"}
		}
	})
	if s := search(t, 1000, probe); s.Rate < 930 || s.Rate > 1040 {
		t.Errorf("%.0f/s", s.Rate)
	}
}

// TestFindMaxDisturbed: where the machine gets slower at the end of the search, what it can do then is found, and no luckier rate.
func TestFindMaxDisturbed(t *testing.T) {
	calm, disturbed := 1000.0, 650.0
	calls := 0
	probe := func(_ context.Context, rate float64, requests int, _ uint64) (*load.Summary, error) {
		calls++
		capacity := calm
		if calls > 10 {
			capacity = disturbed
		}
		s := &load.Summary{Sent: uint64(requests), Good: uint64(requests)}
		s.Late = uint64(float64(requests) * min(1, 0.01*math.Pow(rate/capacity, 12)))
		return s, nil
	}
	if s := search(t, 1000, probe); s.Rate > disturbed || s.Rate < 0.7*disturbed {
		t.Errorf("%.0f/s", s.Rate)
	}
}

func TestFindMaxErrors(t *testing.T) {
	broken := errors.New("broken")
	_, err := FindMax(t.Context(), SearchOptions{Guess: 10, Objective: Objective{Quantile: 0.99}}, func(context.Context, float64, int, uint64) (*load.Summary, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	idle := func(_ context.Context, _ float64, n int, _ uint64) (*load.Summary, error) {
		return &load.Summary{Sent: uint64(n), Good: uint64(n)}, nil
	}
	if _, err := FindMax(t.Context(), SearchOptions{Guess: 10, Objective: Objective{Quantile: 0.99}}, idle); err == nil {
		t.Error("a server without a limit was believed")
	}
}

func TestWilson(t *testing.T) {
	for _, c := range []struct{ k, n, low, high float64 }{
		{0, 100, 0, 0.0370}, {10, 100, 0.0552, 0.1744}, {100, 100, 0.9630, 1}, {0, 0, 0, 1},
	} {
		if low, high := wilson(c.k, c.n); math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%v of %v: %.4f to %.4f", c.k, c.n, low, high)
		}
	}
}

func TestCompare(t *testing.T) {
	var order []int
	c, err := Compare(t.Context(), "a", "b", 8, 1, func(_ context.Context, which, round int) (*load.Summary, error) {
		order = append(order, which)
		drift := 1 + float64(round)/4 // which meets both
		rate := []float64{300, 200}[which] * drift * (1 + 0.01*float64(round%2))
		return &load.Summary{Throughput: rate, Sent: 10, Good: 9, Latency: load.Percentiles{P50: 1e3 / rate, P99: 2e3 / rate, Mean: 1e3 / rate}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, which := range order {
		if which != i%2 {
			t.Fatalf("the order was %v", order)
		}
	}
	if x := c.Throughput; math.Abs(x.Value-1.5) > 1e-9 || x.Low > 1.5+1e-9 || x.High < 1.5-1e-9 {
		t.Errorf("throughput %+v", x)
	}
	if math.Abs(c.P99.Value-1/1.5) > 1e-9 || c.Averages[0].Bad != 8 {
		t.Errorf("p99 %+v, averages %+v", c.P99, c.Averages[0])
	}
}

// TestBootstrap: the interval holds the mean and is narrower the more alike the rounds are.
func TestBootstrap(t *testing.T) {
	loose, tight := geometricMean([]float64{0.5, 1, 2, 0.7, 1.4}, 1), geometricMean([]float64{0.99, 1, 1.01, 1, 1}, 1)
	for _, i := range []Interval{loose, tight} {
		if math.Abs(i.Value-1) > 0.01 || i.Low > i.Value || i.High < i.Value {
			t.Errorf("%+v", i)
		}
	}
	if loose.High-loose.Low < 5*(tight.High-tight.Low) {
		t.Errorf("%+v is not much wider than %+v", loose, tight)
	}
}

func TestCurve(t *testing.T) {
	steps, err := Curve(t.Context(), 1000, func(_ context.Context, rate float64, _ int) (*load.Summary, error) {
		return &load.Summary{Throughput: min(rate, 1000)}, nil
	})
	if err != nil || len(steps) != 12 || steps[0].Rate != 100 || math.Abs(steps[11].Rate-1200) > 1e-6 {
		t.Errorf("%+v, %v", steps, err)
	}
}
