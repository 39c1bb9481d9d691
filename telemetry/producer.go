package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// scopeName is the instrumentation scope of metrics and spans.
const scopeName = "shoal"

// producer gives Shoal's own family to the readers of OpenTelemetry's SDK.
type producer struct{ t *Telemetry }

// Produce implements metric.Producer.
func (p producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	p.t.dropGone()
	now := time.Now()
	points := make(map[*Metric][]sample)
	var order []*Metric
	for s := range p.t.samples {
		if points[s.metric] == nil {
			order = append(order, s.metric)
		}
		points[s.metric] = append(points[s.metric], s)
	}
	scope := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: scopeName, Version: p.t.build[0]}}
	for _, m := range order {
		scope.Metrics = append(scope.Metrics, metricdata.Metrics{
			Name: m.Name, Description: m.Help, Unit: m.Unit, Data: aggregation(m.Kind, points[m], now),
		})
	}
	return []metricdata.ScopeMetrics{scope}, nil
}

func aggregation(kind Kind, samples []sample, now time.Time) metricdata.Aggregation {
	switch kind {
	case Histogram:
		h := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality}
		for _, s := range samples {
			h.DataPoints = append(h.DataPoints, s.histogramPoint(now))
		}
		return h
	case Counter:
		return metricdata.Sum[float64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: numberPoints(samples, now)}
	}
	return metricdata.Gauge[float64]{DataPoints: numberPoints(samples, now)}
}

func numberPoints(samples []sample, now time.Time) (points []metricdata.DataPoint[float64]) {
	for _, s := range samples {
		points = append(points, metricdata.DataPoint[float64]{Attributes: s.attributes(), StartTime: s.since, Time: now, Value: s.value})
	}
	return points
}

func (s *sample) histogramPoint(now time.Time) metricdata.HistogramDataPoint[float64] {
	counts, total, sum := s.hist.read()
	p := metricdata.HistogramDataPoint[float64]{
		Attributes: s.attributes(), StartTime: s.since, Time: now,
		Count: total, Sum: sum, Bounds: s.hist.shown, BucketCounts: counts,
	}
	for i := range s.hist.exemplars {
		x := s.hist.exemplars[i].Load()
		if x == nil {
			continue
		}
		trace, span := x.span.TraceID(), x.span.SpanID()
		p.Exemplars = append(p.Exemplars, metricdata.Exemplar[float64]{
			Time: x.at, Value: float64(x.value) * s.hist.factor, TraceID: trace[:], SpanID: span[:],
		})
	}
	return p
}

func (s *sample) attributes() attribute.Set {
	all := make([]attribute.KeyValue, len(s.labels))
	for i, v := range s.labels {
		all[i] = attribute.String(s.metric.Labels[i], v)
	}
	return attribute.NewSet(all...)
}
