package web

import (
	"math"
	"strconv"
	"time"

	"shoal/batcher"
	"shoal/serving"
)

// fading is the factor by which the weight of older latencies decreases each second. Those of a minute ago have a weight of one
// third.
const fading = 59.0 / 60

// figures are the readings of one second: of the server, of a model, or of a version. Durations are in milliseconds, and missing if
// nothing was measured.
type figures struct {
	Requests  float64 `json:"rps"`
	Errors    float64 `json:"eps,omitempty"`
	Rejected  float64 `json:"rejected,omitempty"` // requests per second that were rejected before they were queued; most are errors too
	P50       float64 `json:"p50,omitempty"`
	P99       float64 `json:"p99,omitempty"`
	Queue     int     `json:"queue,omitempty"`  // requests waiting
	Oldest    float64 `json:"oldest,omitempty"` // how long the oldest of them has waited
	Busy      int     `json:"busy,omitempty"`
	Instances int     `json:"instances,omitempty"`
	Batches   float64 `json:"bps,omitempty"`
	Rows      float64 `json:"rows,omitempty"`   // of a batch, on average
	Padded    float64 `json:"padded,omitempty"` // the same with padding
	Run50     float64 `json:"run50,omitempty"`  // of batches
	Run99     float64 `json:"run99,omitempty"`
}

// modelFigures are the figures of a model, and those of its versions by number.
type modelFigures struct {
	figures
	Versions map[string]figures `json:"versions,omitempty"` // -1: not known
}

// tick is one reading. Idle models are left out.
type tick struct {
	At int64 `json:"at"` // milliseconds of Unix time
	figures
	Models  map[string]modelFigures  `json:"models,omitempty"`
	Devices map[string]deviceFigures `json:"devices,omitempty"`
}

// tally adds up counts that become figures.
type tally struct {
	latency, run histogram
	errors       float64
	refused      float64
	rows, size   float64
	queue        batcher.Stats
}

func (t *tally) add(o *tally) {
	t.latency.add(&o.latency)
	t.run.add(&o.run)
	t.errors += o.errors
	t.refused += o.refused
	t.rows += o.rows
	t.size += o.size
	t.queue.Entries += o.queue.Entries
	t.queue.Busy += o.queue.Busy
	t.queue.Instances += o.queue.Instances
	t.queue.Oldest = max(t.queue.Oldest, o.queue.Oldest)
}

// count adds what a series has counted since the last reading.
func (t *tally) count(s *series) {
	t.latency.add(s.latency.since(&s.seen.latency))
	t.run.add(s.run.since(&s.seen.run))
	errors, refused, rows, size := s.errors.Load(), s.refused.Load(), s.rows.Load(), s.size.Load()
	t.errors += float64(errors - s.seen.errors)
	t.refused += float64(refused - s.seen.refused)
	t.rows += float64(rows - s.seen.rows)
	t.size += float64(size - s.seen.size)
	s.seen.errors, s.seen.refused, s.seen.rows, s.seen.size = errors, refused, rows, size
}

func (t *tally) figures(seconds float64) figures {
	f := figures{
		Requests: short(t.latency.total() / seconds), Errors: short(t.errors / seconds), Rejected: short(t.refused / seconds),
		P50: millis(t.latency.quantile(0.5)), P99: millis(t.latency.quantile(0.99)),
		Queue: t.queue.Entries, Oldest: millis(t.queue.Oldest), Busy: t.queue.Busy, Instances: t.queue.Instances,
	}
	if batches := t.run.total(); batches > 0 {
		f.Batches, f.Rows, f.Padded = short(batches/seconds), short(t.rows/batches), short(t.size/batches)
		f.Run50, f.Run99 = millis(t.run.quantile(0.5)), millis(t.run.quantile(0.99))
	}
	return f
}

// short rounds to the digits that are shown.
func short(f float64) float64 { return math.Round(f*100) / 100 }

// idle reports whether all figures are 0.
func (f *figures) idle() bool {
	return f.Requests == 0 && f.Rejected == 0 && f.Batches == 0 && f.Queue == 0 && f.Busy == 0
}

// tick reads everything that was counted since the last one.
func (p *Page) tick(now time.Time, models []serving.ModelStatus) tick {
	seconds := max(now.Sub(p.read), interval/2).Seconds() // a tick may be late
	p.read = now
	t := tick{At: now.UnixMilli(), Models: make(map[string]modelFigures), Devices: p.deviceFigures()}
	var all tally
	all.count(&p.unknown)
	wanted := make(map[key]bool)
	for _, m := range models {
		if !shown(&m) {
			continue
		}
		var model tally
		mf := modelFigures{Versions: make(map[string]figures)}
		k := key{m.Name, serving.NoVersion}
		wanted[k] = true
		model.count(p.series.get(k))
		if f := model.figures(seconds); !f.idle() {
			mf.Versions[strconv.FormatInt(serving.NoVersion, 10)] = f
		}
		for _, v := range m.Versions {
			if !live(v.State) {
				continue
			}
			k.version = v.Version
			wanted[k] = true
			var version tally
			version.count(p.series.get(k))
			version.queue = p.stats(m.Name, v)
			model.add(&version)
			if f := version.figures(seconds); !f.idle() {
				mf.Versions[strconv.FormatInt(v.Version, 10)] = f
			}
		}
		if mf.figures = model.figures(seconds); !mf.idle() {
			t.Models[m.Name] = mf
		}
		all.add(&model)
	}
	p.series.keep(wanted)
	t.figures = all.figures(seconds)
	p.usual.fade(fading)
	p.usual.add(&all.latency)
	return t
}

// stats returns the state of an available version's queue. It pins the version during the call.
func (p *Page) stats(model string, v serving.VersionStatus) batcher.Stats {
	if v.State != serving.Available {
		return batcher.Stats{}
	}
	h, err := p.handle(serving.ModelSpec{Model: model, Version: &v.Version})
	if err != nil {
		return batcher.Stats{} // it was unloaded in the meantime
	}
	defer h.Release()
	s, _ := h.Stats()
	return s
}

// live reports whether a version may be counting.
func live(s serving.State) bool { return s > serving.Unknown && s < serving.End }
