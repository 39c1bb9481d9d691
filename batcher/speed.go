package batcher

import (
	"math/bits"
	"time"
)

// speed keeps estimates of how long a batch runs, by size: a moving average for each power of two. Batcher.mu guards it.
type speed struct {
	mean [32]time.Duration // mean[i]: batches of (2^(i-1), 2^i] rows
}

func sizeClass(rows int) int { return min(bits.Len(uint(max(rows, 1)-1)), 31) }

// observe takes a measured run in, with a weight of one eighth.
func (s *speed) observe(rows int, run time.Duration) {
	m := &s.mean[sizeClass(rows)]
	if *m == 0 {
		*m = run
	} else {
		*m += (run - *m) / 8
	}
}

// latency is the estimate for a batch of that many rows: that of its class, or of the nearest class that has one, the
// larger first. 0 means that nothing has run yet.
func (s *speed) latency(rows int) time.Duration {
	c := sizeClass(rows)
	for d := range len(s.mean) {
		if i := c + d; i < len(s.mean) && s.mean[i] > 0 {
			return s.mean[i]
		}
		if i := c - d; i >= 0 && s.mean[i] > 0 {
			return s.mean[i]
		}
	}
	return 0
}

// drain estimates how long the rows that wait keep all instances busy.
func (s *speed) drain(rows, batch, instances int) time.Duration {
	batches := (rows + batch - 1) / batch
	return s.latency(batch) * time.Duration(batches) / time.Duration(instances)
}
