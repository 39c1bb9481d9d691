package telemetry

import (
	"time"

	"google.golang.org/grpc/codes"
)

// tfDir is a version's directory, which TensorFlow Serving has as a label. It is forgotten with its version.
type tfDir struct {
	model   string
	version int64
	path    string
}

type tfLoads struct {
	success counter
	fail    counter
	micros  counter // of the successful ones
}

type tfWarm struct {
	tfDir
	code codes.Code
}

type tfWarmups struct {
	latency histogram
	records counter
}

// SavedModelLoaded counts an attempt to load the SavedModel itself, before any warm-up.
func (t *Telemetry) SavedModelLoaded(model string, version int64, dir string, took time.Duration, err error) {
	l := t.tf.loads.get(tfDir{model, version, dir}, func() *tfLoads { return new(tfLoads) })
	if err != nil {
		l.fail.add(1)
		return
	}
	l.success.add(1)
	l.micros.add(int(took.Microseconds()))
}

// WarmedUp counts a warm-up with recorded requests.
func (t *Telemetry) WarmedUp(model string, version int64, dir string, records int, took time.Duration, err error) {
	w := t.tf.warmups.get(tfWarm{tfDir{model, version, dir}, codeOf(err)}, func() *tfWarmups {
		w := new(tfWarmups)
		w.latency.init(tfLatencyScale)
		return w
	})
	w.latency.record(int64(took))
	w.records.add(records)
}

func (f *tfserving) forget(model string, version int64) {
	f.loads.drop(func(d tfDir) bool { return d.model == model && d.version == version })
	f.warmups.drop(func(w tfWarm) bool { return w.model == model && w.version == version })
}
