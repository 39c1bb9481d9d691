// Package telemetry counts what the server does, and tells it: to Prometheus on two pages, one of them TensorFlow
// Serving's, and to an OpenTelemetry collector. Of single requests it makes spans, and lines in the log.
//
// Other packages know nothing of it: they call hooks (serving.Observer, serving.Hooks, batcher.Observer), which Telemetry implements. What is counted lies in series of atomic numbers, made when
// first needed and found by one look into a map that is never locked for reading; counting allocates nothing. The SDK of
// OpenTelemetry reads the series when it is asked (as a metric.Producer), and gives them to its readers. Its own
// instruments are not used since their series cannot end, and versions come and go for as long as a server lives.
//
// The parts: the list of metrics (metrics.go, tfserving.go); numbers and histograms (cells.go) in tables (table.go); what
// may be a label (lives.go, gone.go); the hooks (requests.go, batches.go, models.go, statistics.go, tfloads.go); what is read when asked
// (samples.go, core.go) in the form of OpenTelemetry (producer.go) and of Prometheus (pages.go); OTLP (otlp.go); spans
// (trace.go, spans.go); the access log (access.go), the log's lines on rejected requests (rejections.go), and Go's own traces
// of slow batches (flight.go).
package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"shoal/devices"
	"shoal/serving"
	"shoal/tensor"
)

// Options are what a Telemetry is made of; all of them may be left out.
type Options struct {
	Version    string       // the server's own
	TensorFlow string       // the library's version
	Logger     *slog.Logger // nil: silent
	// LinesDropped is how many of its lines were lost; nil: none.
	LinesDropped func() int64

	AccessLogRatio float64 // the share of requests that are logged, 0 to 1
	SlowBatches    SlowBatches
}

// Telemetry holds every series. It is safe for concurrent use.
type Telemetry struct {
	log   *slog.Logger
	since time.Time
	build []string // labels of buildInfo

	dropped func() int64 // lines of the log

	lives    lives
	requests table[key, requestSeries]
	batches  table[batchKey, batchSeries]
	models   table[string, modelSeries]
	versions table[statisticsKey, versionStatistics]
	configs  counter
	tf       tfserving
	core     atomic.Pointer[serving.Core]
	budget   atomic.Pointer[tensor.Budget]
	devices  table[string, deviceSeries]
	readings atomic.Pointer[devices.Reader]

	own     *prometheus.Registry // Shoal's family, Go's and the process'
	foreign *prometheus.Registry // TensorFlow Serving's family
	pages   *sdkmetric.MeterProvider
	push    *sdkmetric.MeterProvider // nil: off
	tracing *tracer                  // nil: off
	endSpan func(context.Context) error
	access  *accessLog      // nil: off
	flight  *flightRecorder // nil: off
	refused rejections
}

// New makes the series and the pages, and begins to push metrics and spans where OTEL_* variables name an endpoint.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Telemetry{
		log: o.Logger, dropped: o.LinesDropped, since: time.Now(), build: []string{o.Version, o.TensorFlow, runtime.Version()},
		own: prometheus.NewRegistry(), foreign: prometheus.NewRegistry(),
	}
	if t.dropped == nil {
		t.dropped = func() int64 { return 0 }
	}
	t.access = newAccessLog(o.Logger, o.AccessLogRatio)
	t.refused.log = o.Logger
	t.tf.init()
	t.own.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
		collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/cpu/classes/(total|idle|gc/total):|^/sched/latencies:`)})), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	t.foreign.MustRegister(&tfCollector{&t.tf})
	producer := producer{t}
	exporter, err := otelprom.New(otelprom.WithRegisterer(t.own), otelprom.WithProducer(producer), otelprom.WithoutScopeInfo(),
		otelprom.WithoutTargetInfo(), otelprom.WithTranslationStrategy(translation))
	if err != nil {
		return nil, err
	}
	t.pages = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))

	if t.push, err = newPush(ctx, o, producer); err == nil {
		t.tracing, t.endSpan, err = newTracer(ctx, o)
	}
	if err == nil {
		t.flight, err = newFlightRecorder(o.SlowBatches, o.Logger)
	}
	if err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

// Watch lets the gauges read the state of models, queues and instances from core whenever a page is asked for.
func (t *Telemetry) Watch(core serving.Core) { t.core.Store(&core) }

// Tracing says whether spans are made. Then batchers need TraceOf.
func (t *Telemetry) Tracing() bool { return t.tracing != nil }

// ShowsRequests says whether anybody could see the id of a request: in the access log or in a trace.
func (t *Telemetry) ShowsRequests() bool { return t.access != nil || t.tracing != nil }

// Counter reads a counter of TensorFlow Serving's family by its name there, such as /tensorflow/serving/request_count, summed
// over its labels. It is 0 where there is none. It is rpc.Options.Counter.
func (t *Telemetry) Counter(name string) int64 { return t.tf.counter(name) }

// Shutdown sends and logs what has not been yet, and stops sending. Counting and the pages go on working, since a server
// answers while it drains.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.refused.close()
	t.flight.close()
	var errs []error
	if t.push != nil {
		errs = append(errs, t.push.Shutdown(ctx))
	}
	if t.endSpan != nil {
		errs = append(errs, t.endSpan(ctx))
	}
	return errors.Join(errs...)
}
