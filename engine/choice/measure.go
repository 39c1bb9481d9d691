package choice

import (
	"cmp"
	"math"
	"time"

	"shoal/engine"
	"shoal/tensor"
)

const (
	// measureBudget is the time after which no further rounds of a batch are run.
	measureBudget = 60 * time.Millisecond
	leastRounds   = 5
	mostRounds    = 200
)

// Gain is how much faster the second engine runs the batches: the first one's shortest time as a part of the second one's, the
// geometric mean over the batches. Both run by turns, and the time is the processor's where it is known, so that other work on the
// machine counts little. 0: a batch could not be run.
func Gain(first, second engine.Instance, batches []*tensor.Batch) float64 {
	if len(batches) == 0 {
		return 0
	}
	sum := 0.0
	for _, b := range batches {
		ratio := gain(first, second, b)
		if ratio == 0 {
			return 0
		}
		sum += math.Log(ratio)
	}
	return math.Exp(sum / float64(len(batches)))
}

func gain(first, second engine.Instance, b *tensor.Batch) float64 {
	var best [2]time.Duration
	began := time.Now()
	for round := range mostRounds {
		if round >= leastRounds && time.Since(began) > measureBudget {
			break
		}
		for i, in := range []engine.Instance{first, second} {
			start := time.Now()
			r, err := in.Run(b)
			if err != nil {
				return 0
			}
			took := cmp.Or(r.CPU, time.Since(start))
			r.Free()
			if round > 0 && (best[i] == 0 || took < best[i]) { // the first run of a size prepares
				best[i] = took
			}
		}
	}
	if best[1] == 0 {
		return 0
	}
	return float64(best[0]) / float64(best[1])
}
