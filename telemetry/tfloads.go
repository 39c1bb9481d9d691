package telemetry

import (
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
)

// owner is the version that a directory belongs to. TensorFlow Serving uses the directory as a label. The directory is forgotten
// with its version. If models share a directory, the last one to load from it owns it.
type owner struct {
	model   string
	version int64
}

type tfLoads struct {
	owner   atomic.Pointer[owner]
	success counter
	fail    counter
	micros  counter // of the successful ones
}

type tfWarm struct {
	path string
	code codes.Code
}

type tfWarmups struct {
	owner   atomic.Pointer[owner]
	latency histogram
	records counter
}

func newTFLoads() *tfLoads { return new(tfLoads) }

func newTFWarmups() *tfWarmups {
	w := new(tfWarmups)
	w.latency.init(tfLatencyScale)
	return w
}

// SavedModelLoaded counts an attempt to load the SavedModel itself, before any warm-up.
func (t *Telemetry) SavedModelLoaded(model string, version int64, dir string, took time.Duration, err error) {
	l := t.tf.loads.get(dir, newTFLoads)
	l.owner.Store(&owner{model, version})
	if err != nil {
		l.fail.add(1)
		return
	}
	t.tf.built.add(took)
	l.success.add(1)
	l.micros.add(int(took.Microseconds()))
}

// WarmedUp counts a warm-up with recorded requests.
func (t *Telemetry) WarmedUp(model string, version int64, dir string, records int, took time.Duration, err error) {
	w := t.tf.warmups.get(tfWarm{dir, codeOf(err)}, newTFWarmups)
	w.owner.Store(&owner{model, version})
	w.latency.record(int64(took))
	w.records.add(records)
}

// RequestLogged counts a record of a model's request log. It fits predictionlog.Options.Recorded.
func (t *Telemetry) RequestLogged(model string, code codes.Code) {
	t.tf.logged.get(model, newTFRequests).codes[min(code, codes.Unauthenticated)].add(1)
}

func (f *tfserving) forget(model string, version int64) {
	gone := owner{model, version}
	f.loads.drop(func(_ string, l *tfLoads) bool { return *l.owner.Load() == gone })
	f.warmups.drop(func(_ tfWarm, w *tfWarmups) bool { return *w.owner.Load() == gone })
}
