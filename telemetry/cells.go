package telemetry

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// counter only grows.
type counter struct{ n atomic.Uint64 }

func (c *counter) add(n int)    { c.n.Add(uint64(n)) }
func (c *counter) load() uint64 { return c.n.Load() }

// scale converts a histogram's whole numbers to the metric's unit.
type scale struct {
	bounds []int64   // upper bounds, inclusive, ascending, as recorded
	shown  []float64 // the same in the metric's unit
	factor float64
}

func newScale(factor float64, shown ...float64) *scale {
	s := &scale{shown: shown, factor: factor}
	for _, b := range shown {
		s.bounds = append(s.bounds, int64(math.Round(b/factor)))
	}
	return s
}

// histogram counts whole numbers: nanoseconds or rows. Recording takes two atomic additions and no allocation.
type histogram struct {
	*scale
	counts    []atomic.Uint64 // one more than bounds
	sum       atomic.Int64
	exemplars []atomic.Pointer[exemplar] // the last sampled one of each bucket
}

// exemplar is a measurement whose request was traced.
type exemplar struct {
	value int64
	at    time.Time
	span  trace.SpanContext
}

func (h *histogram) init(s *scale) {
	h.scale = s
	h.counts = make([]atomic.Uint64, len(s.bounds)+1)
	h.exemplars = make([]atomic.Pointer[exemplar], len(s.bounds)+1)
}

func newHistogram(s *scale) *histogram {
	h := new(histogram)
	h.init(s)
	return h
}

func (h *histogram) record(v int64) {
	h.counts[h.bucket(v)].Add(1)
	h.sum.Add(v)
}

// recordTraced is record for a request with a span. If the span is sampled, it also stores an exemplar, which takes an allocation.
func (h *histogram) recordTraced(v int64, span trace.SpanContext) {
	i := h.bucket(v)
	h.counts[i].Add(1)
	h.sum.Add(v)
	if span.IsSampled() {
		h.exemplars[i].Store(&exemplar{value: v, at: time.Now(), span: span})
	}
}

func (h *histogram) bucket(v int64) int {
	i, _ := slices.BinarySearch(h.bounds, v)
	return i
}

// read returns the counts of the buckets, and the sum. The sum may differ from the counts by what is being recorded at the moment.
func (h *histogram) read() (counts []uint64, total uint64, sum float64) {
	counts = make([]uint64, len(h.counts))
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
		total += counts[i]
	}
	return counts, total, float64(h.sum.Load()) * h.factor
}
