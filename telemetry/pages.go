package telemetry

import (
	"bytes"
	"log/slog"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

// Handler serves Prometheus' page of the metrics of Shoal, of Go and of the process, usually at /metrics. Clients that ask for
// OpenMetrics get exemplars too.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.own, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorLog: errorLog{t.log}})
}

// FiberHandler is Handler for rest.Options.Paths.
func (t *Telemetry) FiberHandler() fiber.Handler { return adaptor.HTTPHandler(t.Handler()) }

// TFServingHandler serves the page that a MonitoringConfig asks for, at path: TensorFlow Serving's family under its own names,
// and then Shoal's, always as plain text. Like TensorFlow Serving it rejects a URL with anything after the path.
func (t *Telemetry) TFServingHandler(path string) fiber.Handler {
	both := prometheus.Gatherers{t.foreign, t.own}
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, "text/plain")
		if uri := string(c.Context().RequestURI()); uri != path {
			return c.Status(http.StatusBadRequest).SendString("Unexpected path: " + uri + ". Should be " + path)
		}
		families, err := both.Gather()
		if err != nil {
			t.log.Error("metrics are incomplete", slog.Any("error", err))
		}
		var page bytes.Buffer
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToText(&page, f); err != nil {
				return err
			}
		}
		return c.Send(page.Bytes())
	}
}

// tfCollector gives TensorFlow Serving's family to Prometheus. Its names have colons, which the translation from OpenTelemetry's
// names would remove.
type tfCollector struct{ f *tfserving }

// Describe implements prometheus.Collector. It describes nothing, so that nothing is checked before there are series.
func (tfCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c tfCollector) Collect(out chan<- prometheus.Metric) {
	for s := range c.f.samples {
		desc := prometheus.NewDesc(s.metric.Name, s.metric.Help, s.metric.Labels, nil)
		if s.hist == nil {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, s.value, s.labels...)
			continue
		}
		counts, total, sum := s.hist.read()
		buckets, below := make(map[float64]uint64, len(counts)), uint64(0)
		for i, limit := range s.hist.shown {
			below += counts[i]
			buckets[limit] = below
		}
		out <- prometheus.MustNewConstHistogram(desc, total, sum, buckets, s.labels...)
	}
}

// errorLog is promhttp's logger.
type errorLog struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) { l.log.Error("metrics are incomplete", slog.Any("error", v)) }
