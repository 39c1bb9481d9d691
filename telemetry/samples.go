package telemetry

import (
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"shoal/serving"
)

// sample is one series at the moment of the reading: a number or a histogram. Series with no counts are left out where there
// would be many.
type sample struct {
	metric *Metric
	labels []string // values, in the metric's order
	since  time.Time
	value  float64
	hist   *histogram
}

// emitter passes samples to the reader until it stops.
type emitter struct {
	yield   func(sample) bool
	stopped bool
}

func (e *emitter) emit(s sample) {
	if !e.stopped {
		e.stopped = !e.yield(s)
	}
}

func (e *emitter) number(m *Metric, since time.Time, value float64, labels ...string) {
	e.emit(sample{metric: m, labels: labels, since: since, value: value})
}

// counted emits a counter unless it is 0.
func (e *emitter) counted(m *Metric, since time.Time, c *counter, labels ...string) {
	if n := c.load(); n > 0 {
		e.number(m, since, float64(n), labels...)
	}
}

// histogram emits h unless it is empty.
func (e *emitter) histogram(m *Metric, since time.Time, h *histogram, labels ...string) {
	for i := range h.counts {
		if h.counts[i].Load() > 0 {
			e.emit(sample{metric: m, labels: labels, since: since, hist: h})
			return
		}
	}
}

func versionLabel(version int64) string {
	if version == serving.NoVersion {
		return ""
	}
	return strconv.FormatInt(version, 10)
}

// samples returns Shoal's own family.
func (t *Telemetry) samples(yield func(sample) bool) {
	e := &emitter{yield: yield}
	for k, s := range t.requests.all() {
		labels := []string{k.model, versionLabel(k.version), k.signature, k.api, k.method}
		for c := range s.codes {
			e.counted(&requests, s.since, &s.codes[c], append(labels[:len(labels):len(labels)], statusName(codes.Code(c)))...)
		}
		e.histogram(&requestDuration, s.since, &s.duration, labels...)
		e.histogram(&decodeDuration, s.since, &s.decode, labels...)
		e.histogram(&encodeDuration, s.since, &s.encode, labels...)
	}
	for k, s := range t.batches.all() {
		e.batchSamples(k, s)
	}
	for name, s := range t.models.all() {
		e.counted(&modelLoads, s.since, &s.loaded, name, "ok")
		e.counted(&modelLoads, s.since, &s.failed, name, "error")
		e.histogram(&loadDuration, s.since, &s.load, name)
		e.number(&modelUnloads, s.since, float64(s.unloads.load()), name)
	}
	e.number(&configChanges, t.since, float64(t.configs.load()))
	e.number(&buildInfo, t.since, 1, t.build...)
	e.number(&logDropped, t.since, float64(t.dropped()))
	t.deviceSamples(e)
	t.coreSamples(e)
	t.budgetSamples(e)
}

func (e *emitter) batchSamples(k batchKey, s *batchSeries) {
	labels := []string{k.model, versionLabel(k.version), k.signature}
	for i := range s.reasons {
		e.counted(&batches, s.since, &s.reasons[i], append(labels[:3:3], string(reasons[i]))...)
	}
	for i := range s.rejected {
		e.counted(&rejected, s.since, &s.rejected[i], append(labels[:3:3], refusals[i])...)
	}
	e.histogram(&queueDuration, s.since, &s.queue, labels...)
	e.histogram(&runDuration, s.since, &s.run, labels...)
	e.histogram(&batchRows, s.since, &s.rows, labels...)
	e.histogram(&batchRequests, s.since, &s.entries, labels...)
	e.histogram(&batchDuration, s.since, &s.batch, labels...)
	e.number(&batchFailures, s.since, float64(s.failures.load()), labels...)
	e.number(&paddedRows, s.since, float64(s.padding.load()), labels...)
}

// samples returns TensorFlow Serving's family.
func (f *tfserving) samples(yield func(sample) bool) {
	e := &emitter{yield: yield}
	for model, r := range f.requests.all() {
		for c := range r.codes {
			e.counted(&tfRequestCount, f.since, &r.codes[c], model, statusName(codes.Code(c)))
		}
	}
	for model, r := range f.logged.all() {
		for c := range r.codes {
			e.counted(&tfRequestLogCount, f.since, &r.codes[c], model, statusName(codes.Code(c)))
		}
	}
	for k, h := range f.latency.all() {
		e.histogram(&tfRequestLatency, f.since, h, k.model, k.api, k.where)
	}
	for k, h := range f.runtime.all() {
		e.histogram(&tfRuntimeLatency, f.since, h, k.model, k.api, k.where)
	}
	for model, x := range f.examples.all() {
		e.histogram(&tfExampleCounts, f.since, &x.counts, model)
		e.counted(&tfExampleTotal, f.since, &x.total, model)
	}
	e.histogram(&tfQueuing, f.since, &f.queuing, batchThreads)
	e.histogram(&tfInputBatch, f.since, &f.input)
	e.histogram(&tfProcessedBatch, f.since, &f.processed)
	for size, h := range f.padding.all() {
		e.histogram(&tfPadding, f.since, h, strconv.Itoa(size))
	}
	e.number(&tfRuns, f.since, float64(f.runs.load()))
	e.number(&tfGraphBuilds, f.since, float64(f.built.calls.load()))
	e.number(&tfGraphBuildTime, f.since, f.built.micros())
	e.number(&tfGraphRuns, f.since, float64(f.ran.calls.load()))
	e.number(&tfGraphRunTime, f.since, f.ran.micros())
	for path, l := range f.loads.all() {
		e.counted(&tfLoadCount, f.since, &l.success, path, "success")
		e.counted(&tfLoadCount, f.since, &l.fail, path, "fail")
		e.counted(&tfLoadLatency, f.since, &l.micros, path)
	}
	for k, w := range f.warmups.all() {
		e.histogram(&tfWarmup, f.since, &w.latency, k.path, statusName(k.code))
		e.counted(&tfWarmupRecords, f.since, &w.records, k.path, statusName(k.code))
	}
}
