package bundle

import (
	"fmt"
	"strings"
	"time"

	"shoal/savedmodel"
	"shoal/tensor"
)

const (
	// largestMeasured is the largest batch that measuring tries and the default one where it cannot measure.
	largestMeasured = 512
	// measureBudget bounds the time spent on one version; a batch that takes longer than slowBatch is the last one tried.
	measureBudget = time.Second
	slowBatch     = 250 * time.Millisecond
	// enough is the part of the best throughput that is good enough: among the sizes that reach it, the smallest answers soonest.
	enough = 0.9
)

// timing is the shortest time seen for a batch of that many rows.
type timing struct {
	rows int64
	took time.Duration
}

func (t timing) throughput() float64 { return float64(t.rows) / t.took.Seconds() }

// measure runs batches of made-up inputs, twice as large each time, until they do not get more done, and returns their
// timings; none where the model refuses made-up inputs.
func measure(in *savedmodel.Instance, sig *tensor.Signature) (timings []timing) {
	start := time.Now()
	best := 0.0
	for rows := int64(1); rows <= largestMeasured; rows *= 2 {
		b := madeUp(sig, rows)
		if b == nil {
			return timings
		}
		t := timing{rows: rows}
		for n := range 4 { // the first run of a size prepares kernels
			began := time.Now()
			r, err := in.Run(b)
			if err != nil {
				return timings
			}
			took := time.Since(began)
			r.Free()
			if n > 0 && (t.took == 0 || took < t.took) {
				t.took = took
			}
			if took > slowBatch {
				t.took = took
				break
			}
		}
		timings = append(timings, t)
		best = max(best, t.throughput())
		if t.took > slowBatch || t.throughput() < best/2 || time.Since(start) > measureBudget {
			break
		}
	}
	return timings
}

// chooseBatch is the smallest batch size that gets nearly as much done as the best, from timings of ascending sizes. 0 where there
// are none.
func chooseBatch(timings []timing) int {
	best := 0.0
	for _, t := range timings {
		best = max(best, t.throughput())
	}
	for _, t := range timings {
		if t.throughput() >= enough*best {
			return int(t.rows)
		}
	}
	return 0
}

// table prints timings for the log: rows and milliseconds.
func table(timings []timing) string {
	var b strings.Builder
	for _, t := range timings {
		fmt.Fprintf(&b, " %d:%.3gms", t.rows, t.took.Seconds()*1000)
	}
	return strings.TrimSpace(b.String())
}
