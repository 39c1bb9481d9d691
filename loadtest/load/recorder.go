package load

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Recorder turns results into a summary. It belongs to one goroutine.
type Recorder struct {
	counts    [outcomes]uint64
	codes     map[int32]uint64 // of refused requests
	rows      uint64           // of good ones
	last      time.Duration    // when the last answer came
	objective time.Duration
	late      uint64 // good, and over the objective

	latency, lateness, waited  *hdrhistogram.Histogram
	decode, queue, run, encode *hdrhistogram.Histogram
	batches                    map[int32]uint64
	intervals                  []*interval
	step                       time.Duration
	from, until                time.Duration
	rate                       float64
	clients                    int
	told                       uint64 // results that carried the server's timings
}

type interval struct {
	latency *hdrhistogram.Histogram
	bad     uint64
}

// Histograms hold microseconds from 1 µs to 10 minutes with three digits.
const (
	lowest  = 1
	highest = int64(10 * time.Minute / time.Microsecond)
	digits  = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, digits) }

// maxIntervals bounds the points over time.
const maxIntervals = 120

// NewRecorder makes a recorder for an attack with these options. A good answer slower than the objective counts as late; 0: none does.
func NewRecorder(o Options, objective time.Duration) *Recorder {
	length := o.Duration - o.Warmup
	r := &Recorder{
		codes: map[int32]uint64{}, batches: map[int32]uint64{}, objective: objective,
		latency: newHistogram(), lateness: newHistogram(), waited: newHistogram(),
		decode: newHistogram(), queue: newHistogram(), run: newHistogram(), encode: newHistogram(),
		step: max(100*time.Millisecond, time.Duration(math.Ceil(length.Seconds()/maxIntervals*10))*time.Second/10),
		from: o.Warmup, until: o.Duration, clients: o.Clients,
	}
	if o.Pacer != nil {
		r.rate = o.Pacer.Rate()
	}
	return r
}

// Add records a block. Warm-up results are left out.
func (r *Recorder) Add(block []Result) {
	for i := range block {
		if !block[i].Warmup {
			r.add(&block[i])
		}
	}
}

func (r *Recorder) add(res *Result) {
	r.counts[res.Outcome]++
	r.last = max(r.last, res.Done)
	record(r.lateness, res.Noticed-res.Due)
	record(r.waited, res.Sent-res.Noticed)
	at := r.at(res.Done)
	if res.Outcome != Good {
		if res.Outcome == Refused {
			r.codes[res.Code]++
		}
		if at != nil {
			at.bad++
		}
		return
	}
	latency := res.Latency()
	record(r.latency, latency)
	if at != nil {
		record(at.latency, latency)
	}
	if r.objective > 0 && latency > r.objective {
		r.late++
	}
	r.rows += uint64(res.Rows)
	if s := &res.Server; s.Batch > 0 {
		r.told++
		r.batches[s.Batch]++
		record(r.decode, s.Decode.Duration())
		record(r.queue, s.Queue.Duration())
		record(r.run, s.Run.Duration())
		record(r.encode, s.Encode.Duration())
	}
}

// at is the interval that a moment lies in, nil where it lies far behind the end.
func (r *Recorder) at(t time.Duration) *interval {
	i := int(max(0, t-r.from) / r.step)
	if i >= 2*maxIntervals {
		return nil
	}
	for len(r.intervals) <= i {
		r.intervals = append(r.intervals, &interval{latency: hdrhistogram.New(lowest, highest, 2)})
	}
	return r.intervals[i]
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 0), highest))
}

// Good is the number of good answers so far.
func (r *Recorder) Good() uint64 { return r.counts[Good] }

// Bad is the number of all others.
func (r *Recorder) Bad() uint64 {
	n := uint64(0)
	for _, c := range r.counts[Good+1:] {
		n += c
	}
	return n
}

// Quantile is the latency that a part q of the good answers did not exceed.
func (r *Recorder) Quantile(q float64) time.Duration {
	return time.Duration(r.latency.ValueAtQuantile(100*q)) * time.Microsecond
}

// Collect reads an attack to its end. progress, if any, is called after each block with what came so far.
func Collect(a *Attack, r *Recorder, progress func(*Recorder)) *Summary {
	for block := range a.Results() {
		r.Add(block)
		if progress != nil {
			progress(r)
		}
	}
	return r.Summary(a.Totals())
}
