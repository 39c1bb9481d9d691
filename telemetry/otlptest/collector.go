// Package otlptest is an OpenTelemetry collector for tests: it takes metrics and spans by OTLP over gRPC and over HTTP, and
// keeps them to be looked at.
package otlptest

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricdata "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracedata "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Span is a span as it came.
type Span = tracedata.Span

// Collector receives on two ports of the loopback interface. It is safe for concurrent use.
type Collector struct {
	metricspb.UnimplementedMetricsServiceServer
	grpcURL, httpURL string

	mu       sync.Mutex
	spans    []*Span
	metrics  []*metricdata.Metric
	services map[string]bool
}

// New starts a collector that ends with the test.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{services: make(map[string]bool)}
	rpcOn, httpOn := listen(t), listen(t)
	server := grpc.NewServer()
	metricspb.RegisterMetricsServiceServer(server, c)
	tracepb.RegisterTraceServiceServer(server, spanReceiver{c: c})
	plain := &http.Server{Handler: c}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(rpcOn) })
	wg.Go(func() { _ = plain.Serve(httpOn) })
	t.Cleanup(func() {
		server.Stop()
		_ = plain.Close()
		wg.Wait()
	})
	c.grpcURL, c.httpURL = "http://"+rpcOn.Addr().String(), "http://"+httpOn.Addr().String()
	return c
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Environment are the OTEL_* variables that have a sender come here by grpc or http/protobuf.
func (c *Collector) Environment(protocol string) map[string]string {
	url := c.httpURL
	if protocol == "grpc" {
		url = c.grpcURL
	}
	return map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": url}
}

// Spans are all that were received.
func (c *Collector) Spans() []*Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Named are the spans of that name.
func (c *Collector) Named(name string) []*Span {
	return slices.DeleteFunc(c.Spans(), func(s *Span) bool { return s.GetName() != name })
}

// Metrics are all that were received, a metric as often as it came.
func (c *Collector) Metrics() []*metricdata.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.metrics)
}

// Service reports whether something came with this service.name.
func (c *Collector) Service(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.services[name]
}

// Attributes are a span's attributes as Go values: string, int64, bool or float64.
func Attributes(s *Span) map[string]any {
	all := make(map[string]any)
	for _, a := range s.GetAttributes() {
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			all[a.GetKey()] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			all[a.GetKey()] = v.IntValue
		case *commonpb.AnyValue_BoolValue:
			all[a.GetKey()] = v.BoolValue
		case *commonpb.AnyValue_DoubleValue:
			all[a.GetKey()] = v.DoubleValue
		}
	}
	return all
}

// Links are the ids of the spans that s links to, in hexadecimal.
func Links(s *Span) (ids []string) {
	for _, l := range s.GetLinks() {
		ids = append(ids, hex.EncodeToString(l.GetSpanId()))
	}
	return ids
}

// Export implements the metrics service.
func (c *Collector) Export(_ context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceMetrics() {
		c.serviceOf(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeMetrics() {
			c.metrics = append(c.metrics, scope.GetMetrics()...)
		}
	}
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func (c *Collector) serviceOf(attributes []*commonpb.KeyValue) {
	for _, a := range attributes {
		if a.GetKey() == "service.name" {
			c.services[a.GetValue().GetStringValue()] = true
		}
	}
}

// spanReceiver implements the trace service.
type spanReceiver struct {
	tracepb.UnimplementedTraceServiceServer
	c *Collector
}

func (r spanReceiver) Export(_ context.Context, req *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	for _, resource := range req.GetResourceSpans() {
		r.c.serviceOf(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			r.c.spans = append(r.c.spans, scope.GetSpans()...)
		}
	}
	return &tracepb.ExportTraceServiceResponse{}, nil
}

// ServeHTTP takes both by http/protobuf.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var answer proto.Message
	switch {
	case err != nil:
	case r.URL.Path == "/v1/traces":
		var req tracepb.ExportTraceServiceRequest
		if err = proto.Unmarshal(body, &req); err == nil {
			answer, err = spanReceiver{c: c}.Export(r.Context(), &req)
		}
	case r.URL.Path == "/v1/metrics":
		var req metricspb.ExportMetricsServiceRequest
		if err = proto.Unmarshal(body, &req); err == nil {
			answer, err = c.Export(r.Context(), &req)
		}
	}
	if err != nil || answer == nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	body, _ = proto.Marshal(answer)
	_, _ = w.Write(body)
}
