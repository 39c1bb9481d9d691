package web

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Durations are counted in buckets, eight for each doubling, from one microsecond to two minutes. A quantile is off by 6 % at most.
const (
	stepBits  = 3
	steps     = 1 << stepBits
	firstBits = 10 // below 2^10 ns
	lastBits  = 37
	buckets   = (lastBits-firstBits)*steps + 1
)

// bucketOf returns a duration's bucket. Durations beyond the ends are in the first or the last one.
func bucketOf(d time.Duration) int {
	if d < 1<<firstBits {
		return 0
	}
	octave := bits.Len64(uint64(d)) - 1
	if octave >= lastBits {
		return buckets - 1
	}
	return (octave-firstBits)*steps + int(d>>(octave-stepBits))&(steps-1) + 1
}

// edge returns the smallest duration of a bucket.
func edge(bucket int) time.Duration {
	if bucket == 0 {
		return 0
	}
	octave, step := (bucket-1)/steps+firstBits, (bucket-1)%steps
	return time.Duration(steps+step) << (octave - stepBits)
}

// liveHistogram is a histogram to which many goroutines add. One measurement is one atomic addition.
type liveHistogram [buckets]atomic.Uint32

func (h *liveHistogram) record(d time.Duration) { h[bucketOf(d)].Add(1) }

// histogram holds the counts of a period.
type histogram [buckets]float64

// since returns the counts that h has gained since last, which it updates. Counters may wrap.
func (h *liveHistogram) since(last *[buckets]uint32) *histogram {
	var d histogram
	for i := range h {
		n := h[i].Load()
		d[i] = float64(n - last[i])
		last[i] = n
	}
	return &d
}

func (h *histogram) add(o *histogram) {
	for i, n := range o {
		h[i] += n
	}
}

// fade reduces all counts by a factor.
func (h *histogram) fade(keep float64) {
	for i := range h {
		h[i] *= keep
	}
}

func (h *histogram) total() (n float64) {
	for _, c := range h {
		n += c
	}
	return n
}

// quantile returns the duration that a share q of the measurements did not exceed, interpolated within its bucket. It returns 0
// if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	total := h.total()
	if total <= 0 {
		return 0
	}
	rank := q * total
	for i, n := range h {
		if n > 0 && rank <= n {
			from := edge(i)
			width := edge(i+1) - from
			return from + time.Duration(float64(width)*rank/n)
		}
		rank -= n
	}
	return edge(buckets - 1)
}
