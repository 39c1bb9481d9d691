package bundle

import (
	"time"

	"shoal/engine"
	"shoal/serving"
	"shoal/tensor"
)

const (
	// largestMeasured is the largest batch that measuring tries.
	largestMeasured = 512
	// measureBudget bounds the time spent on one version; a batch that takes longer than slowBatch is the last one tried.
	measureBudget = time.Second
	slowBatch     = 250 * time.Millisecond
)

// measure runs batches of made-up inputs, twice as large each time, until they do not get more done, and returns their
// timings; none where the model refuses made-up inputs.
func measure(in engine.Instance, sig *tensor.Signature) (timings []serving.Timing) {
	start := time.Now()
	best := 0.0
	for rows := int64(1); rows <= largestMeasured; rows *= 2 {
		b := madeUp(sig, rows)
		if b == nil {
			return timings
		}
		t := serving.Timing{Rows: rows}
		for n := range 4 { // the first run of a size prepares kernels
			began := time.Now()
			r, err := in.Run(b)
			if err != nil {
				return timings
			}
			took := time.Since(began)
			r.Free()
			if n > 0 && (t.Took == 0 || took < t.Took) {
				t.Took = took
			}
			if took > slowBatch {
				t.Took = took
				break
			}
		}
		timings = append(timings, t)
		best = max(best, t.Throughput())
		if t.Took > slowBatch || t.Throughput() < best/2 || time.Since(start) > measureBudget {
			break
		}
	}
	return timings
}
