package load

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// MaxLateness is the 99th percentile of the generator's own lateness above which an open loop's run is void: its latencies
// would be the generator's, not the server's.
const MaxLateness = time.Millisecond

// Summary is what a run showed. Times are in milliseconds, rates per second.
type Summary struct {
	OfferedRate float64           `json:"offered_rate,omitempty"` // of an open loop
	Clients     int               `json:"clients"`
	Seconds     float64           `json:"seconds"` // from the end of the warm-up to the last answer
	Throughput  float64           `json:"throughput"`
	Instances   float64           `json:"instances_per_second"`
	Sent        uint64            `json:"sent"`
	Good        uint64            `json:"good"`
	Late        uint64            `json:"late"` // of the good, those over the objective
	Refused     uint64            `json:"refused"`
	Wrong       uint64            `json:"wrong"`
	TimedOut    uint64            `json:"timed_out"`
	Broken      uint64            `json:"broken"`
	Unsent      uint64            `json:"unsent"`
	Codes       map[string]uint64 `json:"codes,omitempty"` // of the refused
	Latency     Percentiles       `json:"latency_ms"`
	Lateness    Percentiles       `json:"lateness_ms"` // the generator's own
	Waited      Percentiles       `json:"waited_ms"`   // for a free client
	Void        string            `json:"void,omitempty"`
	CDF         []Point           `json:"cdf,omitempty"`
	OverTime    []Interval        `json:"over_time,omitempty"`
	Server      *ServerSummary    `json:"server,omitempty"`
}

// Percentiles of a distribution, in milliseconds.
type Percentiles struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Point of a cumulative distribution: a part Q of the answers took at most MS milliseconds.
type Point struct {
	Q  float64 `json:"q"`
	MS float64 `json:"ms"`
}

// Interval is a stretch of the run.
type Interval struct {
	At         float64 `json:"at"` // its end, in seconds after the warm-up
	Throughput float64 `json:"throughput"`
	P50        float64 `json:"p50"`
	P90        float64 `json:"p90"`
	P99        float64 `json:"p99"`
	Bad        uint64  `json:"bad"`
}

// ServerSummary is what the server told of itself in its answers' headers.
type ServerSummary struct {
	Told    uint64      `json:"told"` // answers that carried the headers
	Batch   float64     `json:"mean_batch"`
	Batches []BatchSize `json:"batches"`
	Decode  Percentiles `json:"decode_ms"`
	Queue   Percentiles `json:"queue_ms"`
	Run     Percentiles `json:"run_ms"`
	Encode  Percentiles `json:"encode_ms"`
}

// BatchSize says how many requests travelled in batches of a size. A batch of size n is seen once for each request in it.
type BatchSize struct {
	Size  int    `json:"size"`
	Count uint64 `json:"count"`
}

// Summary closes the books.
func (r *Recorder) Summary(t Totals) *Summary {
	length := max(r.until, r.last) - r.from
	s := &Summary{
		OfferedRate: r.rate, Clients: r.clients, Seconds: length.Seconds(), Good: r.counts[Good], Late: r.late, Refused: r.counts[Refused], Wrong: r.counts[Wrong],
		TimedOut: r.counts[TimedOut], Broken: r.counts[Broken], Unsent: t.Unsent,
		Latency: percentiles(r.latency), Lateness: percentiles(r.lateness), Waited: percentiles(r.waited), CDF: cdf(r.latency),
	}
	s.Sent = s.Good + r.Bad()
	s.Throughput = float64(s.Good) / length.Seconds()
	s.Instances = float64(r.rows) / length.Seconds()
	if len(r.codes) > 0 {
		s.Codes = map[string]uint64{}
		for code, n := range r.codes {
			s.Codes[strconv.Itoa(int(code))] = n
		}
	}
	for i, in := range r.intervals {
		end := time.Duration(i+1) * r.step
		if end > r.until-r.from && i > 0 {
			break // the tail after the last request was sent
		}
		p := percentiles(in.latency)
		s.OverTime = append(s.OverTime, Interval{At: end.Seconds(), Throughput: float64(in.latency.TotalCount()) / r.step.Seconds(),
			P50: p.P50, P90: p.P90, P99: p.P99, Bad: in.bad})
	}
	if r.told > 0 {
		s.Server = r.server()
	}
	s.judge(t)
	return s
}

// judge says whether an open loop's run counts.
func (s *Summary) judge(t Totals) {
	switch limit := milliseconds(MaxLateness.Microseconds()); {
	case t.Late > MaxLateness:
		s.Void = fmt.Sprintf("the generator itself was %v late when too many requests waited", t.Late.Round(time.Millisecond))
	case s.Sent+s.Unsent == 0:
		s.Void = "nothing was sent in the measured time"
	case s.OfferedRate > 0 && s.Lateness.P99 > limit:
		s.Void = fmt.Sprintf("the generator itself was late: p99 %.2f ms, allowed %.0f ms", s.Lateness.P99, limit)
	}
}

func (r *Recorder) server() *ServerSummary {
	s := &ServerSummary{Told: r.told, Decode: percentiles(r.decode), Queue: percentiles(r.queue), Run: percentiles(r.run), Encode: percentiles(r.encode)}
	batches := 0.0
	for size, n := range r.batches {
		s.Batches = append(s.Batches, BatchSize{int(size), n})
		batches += float64(n) / float64(size)
	}
	if r.told > 0 && batches > 0 {
		s.Batch = float64(r.told) / batches
	}
	slices.SortFunc(s.Batches, func(a, b BatchSize) int { return a.Size - b.Size })
	return s
}

func milliseconds(us int64) float64 { return float64(us) / 1000 }

func percentiles(h *hdrhistogram.Histogram) Percentiles {
	if h.TotalCount() == 0 {
		return Percentiles{}
	}
	at := func(q float64) float64 { return milliseconds(h.ValueAtQuantile(q)) }
	return Percentiles{Mean: h.Mean() / 1000, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: milliseconds(h.Max())}
}

// cdf has more points the nearer it comes to 1, down to the last single answer.
func cdf(h *hdrhistogram.Histogram) []Point {
	n := h.TotalCount()
	if n == 0 {
		return nil
	}
	points := []Point{{0, milliseconds(h.Min())}}
	for rest := 1.0; rest*float64(n) >= 1; rest /= 1.25 {
		q := 1 - rest/1.25
		points = append(points, Point{q, milliseconds(h.ValueAtQuantile(100 * q))})
	}
	return append(points, Point{1, milliseconds(h.Max())})
}
