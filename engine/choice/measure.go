package choice

import (
	"cmp"
	"math"
	"time"

	"shoal/engine"
	"shoal/tensor"
)

const (
	// measureBudget is the time after which no further rounds are run.
	measureBudget = 300 * time.Millisecond
	leastRounds   = 4
	mostRounds    = 100
)

// Gain is how much faster the second engine runs the batches: the first one's shortest time as a part of the second one's, the
// geometric mean over the batches. Each round runs every batch in both engines, so that a batch of another size comes before each, as
// in a server: an engine may have to prepare for a size. The time is the processor's if it is known, so that other work on the machine
// counts little. 0: a batch could not be run.
func Gain(first, second engine.Instance, batches []*tensor.Batch) float64 {
	best := make([][2]time.Duration, len(batches))
	began := time.Now()
	for round := range mostRounds {
		if round >= leastRounds && time.Since(began) > measureBudget {
			break
		}
		for k, b := range batches {
			for i, in := range []engine.Instance{first, second} {
				took, ok := timed(in, b)
				if !ok {
					return 0
				}
				if round > 0 && (best[k][i] == 0 || took < best[k][i]) { // the first run of a size prepares kernels
					best[k][i] = took
				}
			}
		}
	}
	sum := 0.0
	for _, t := range best {
		if t[0] == 0 || t[1] == 0 {
			return 0
		}
		sum += math.Log(float64(t[0]) / float64(t[1]))
	}
	if len(best) == 0 {
		return 0
	}
	return math.Exp(sum / float64(len(best)))
}

func timed(in engine.Instance, b *tensor.Batch) (time.Duration, bool) {
	start := time.Now()
	r, err := in.Run(b)
	if err != nil {
		return 0, false
	}
	took := cmp.Or(r.CPU, time.Since(start))
	r.Free()
	return max(took, 1), true
}
