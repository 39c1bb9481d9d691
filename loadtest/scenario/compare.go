package scenario

import (
	"context"

	"shoal/loadtest/load"
)

// Comparison is two servers measured in turns, so that what drifts on the machine meets both. Ratios are A over B.
type Comparison struct {
	A          string       `json:"a"`
	B          string       `json:"b"`
	Rounds     []Round      `json:"rounds"`
	Throughput Interval     `json:"throughput_ratio"`
	P50        Interval     `json:"p50_ratio"`
	P99        Interval     `json:"p99_ratio"`
	Mean       Interval     `json:"mean_ratio"`
	Averages   [2]*Averages `json:"averages"`
}

// Round is one run of each.
type Round struct {
	A *load.Summary `json:"a"`
	B *load.Summary `json:"b"`
}

// Averages are means over the rounds.
type Averages struct {
	Throughput float64 `json:"throughput"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	Mean       float64 `json:"mean_ms"`
	Bad        uint64  `json:"bad"`
}

// Compare runs A and B in turns, each a number of rounds.
func Compare(ctx context.Context, a, b string, rounds int, seed uint64, run func(ctx context.Context, which, round int) (*load.Summary, error)) (*Comparison, error) {
	c := &Comparison{A: a, B: b}
	for i := range rounds {
		var r Round
		var err error
		if r.A, err = run(ctx, 0, i); err != nil {
			return c, err
		}
		if r.B, err = run(ctx, 1, i); err != nil {
			return c, err
		}
		c.Rounds = append(c.Rounds, r)
	}
	ratio := func(of func(*load.Summary) float64) Interval {
		var ratios []float64
		for _, r := range c.Rounds {
			ratios = append(ratios, of(r.A)/of(r.B))
		}
		return geometricMean(ratios, seed)
	}
	c.Throughput = ratio(func(s *load.Summary) float64 { return s.Throughput })
	c.P50 = ratio(func(s *load.Summary) float64 { return s.Latency.P50 })
	c.P99 = ratio(func(s *load.Summary) float64 { return s.Latency.P99 })
	c.Mean = ratio(func(s *load.Summary) float64 { return s.Latency.Mean })
	c.Averages[0] = average(c.Rounds, func(r Round) *load.Summary { return r.A })
	c.Averages[1] = average(c.Rounds, func(r Round) *load.Summary { return r.B })
	return c, nil
}

func average(rounds []Round, side func(Round) *load.Summary) *Averages {
	n, a := float64(len(rounds)), &Averages{}
	for _, r := range rounds {
		s := side(r)
		a.Throughput += s.Throughput / n
		a.P50 += s.Latency.P50 / n
		a.P99 += s.Latency.P99 / n
		a.Mean += s.Latency.Mean / n
		a.Bad += s.Sent - s.Good + s.Unsent
	}
	return a
}
