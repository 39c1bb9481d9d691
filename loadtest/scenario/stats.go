// Package scenario composes attacks: the highest rate that meets a latency objective, the latency–throughput curve, and the
// comparison of two servers. What is measured comes through a function, so that the search can be tested on a model of a server.
package scenario

import (
	"math"
	"math/rand/v2"
	"slices"
)

// wilson is the interval that holds the true share with 95% confidence when k of n were seen (E. B. Wilson 1927).
func wilson(k, n float64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.96
	p := k / n
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, centre-half), min(1, centre+half)
}

// Interval is an estimate with its 95% interval.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

const resamples = 4000

// geometricMean is the mean ratio with a bootstrap interval (B. Efron 1979): the rounds are drawn anew, with replacement.
// Logarithms make ½ and 2 equally far from 1.
func geometricMean(ratios []float64, seed uint64) Interval {
	logs := make([]float64, 0, len(ratios))
	for _, x := range ratios {
		if x > 0 && !math.IsInf(x, 0) {
			logs = append(logs, math.Log(x))
		}
	}
	if len(logs) == 0 {
		return Interval{}
	}
	r := rand.New(rand.NewPCG(seed, uint64(len(logs))))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range logs {
			sum += logs[r.IntN(len(logs))]
		}
		means[i] = sum / float64(len(logs))
	}
	slices.Sort(means)
	sum := 0.0
	for _, x := range logs {
		sum += x
	}
	at := func(q float64) float64 { return math.Exp(means[int(q*float64(resamples-1))]) }
	return Interval{Value: math.Exp(sum / float64(len(logs))), Low: at(0.025), High: at(0.975)}
}
