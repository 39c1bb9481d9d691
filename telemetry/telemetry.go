// Package telemetry counts what the server does. It shows the counts to Prometheus on two pages, one of them TensorFlow
// Serving's, and sends them to an OpenTelemetry collector. It makes spans and log lines of single requests.
//
// Other packages do not import it: they call hooks (serving.Observer, serving.Hooks, batcher.Observer), which Telemetry
// implements. Counts are series of atomic numbers. A series is made when it is first needed, and is found by one lookup in a map
// that readers do not lock. Counting allocates nothing. OpenTelemetry's SDK reads the series (metric.Producer). Its own
// instruments are not used, because their series cannot end, and versions come and go while a server runs.
//
// The parts: the list of metrics (metrics.go, tfserving.go, triton.go); numbers and histograms (cells.go) in tables (table.go); what may be
// a label (lives.go, gone.go); the hooks (requests.go, batches.go, models.go, statistics.go, tfloads.go); the values at a reading
// (samples.go, core.go), in the form of OpenTelemetry (producer.go) and of Prometheus (pages.go); OTLP (otlp.go); spans
// (trace.go, spans.go); the access log (access.go); log lines about rejected requests (rejections.go); Go traces of slow batches
// (flight.go).
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

// Options are the settings of a Telemetry. All of them may be left out.
type Options struct {
	Version    string       // the server's own
	TensorFlow string       // the library's version
	Logger     *slog.Logger // nil: silent
	// LinesDropped returns how many lines of the log were dropped; nil: none.
	LinesDropped func() int64

	Triton         bool    // Triton's metrics are on the page too
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

// New makes the series and the pages. It begins to send metrics and spans if OTEL_* variables name an endpoint.
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
	if o.Triton {
		t.own.MustRegister(tritonCollector{t})
	}
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

// Watch makes the gauges read the state of models, queues and instances from core at each reading.
func (t *Telemetry) Watch(core serving.Core) { t.core.Store(&core) }

// Tracing reports whether spans are made. If so, batchers need TraceOf.
func (t *Telemetry) Tracing() bool { return t.tracing != nil }

// ShowsRequests reports whether the id of a request can appear in the access log or in a trace.
func (t *Telemetry) ShowsRequests() bool { return t.access != nil || t.tracing != nil }

// Counter returns a counter of TensorFlow Serving's family by its name there, such as /tensorflow/serving/request_count, summed
// over its labels. It returns 0 if there is none. It fits rpc.Options.Counter.
func (t *Telemetry) Counter(name string) int64 { return t.tf.counter(name) }

// Shutdown sends and logs what is left, and stops sending. Counting and the pages go on working, because a server answers while
// it drains.
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
