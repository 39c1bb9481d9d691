package telemetry

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metricdata "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracedata "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// collector is an OTLP receiver by gRPC and by HTTP, in this process. It keeps what it gets.
type collector struct {
	metricspb.UnimplementedMetricsServiceServer
	grpcURL, httpURL string

	mu       sync.Mutex
	spans    []*tracedata.Span
	metrics  []*metricdata.Metric
	services map[string]bool
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{services: make(map[string]bool)}
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

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Export implements the metrics service.
func (c *collector) Export(_ context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceMetrics() {
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.services[a.GetValue().GetStringValue()] = true
			}
		}
		for _, scope := range resource.GetScopeMetrics() {
			c.metrics = append(c.metrics, scope.GetMetrics()...)
		}
	}
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

// spanReceiver implements the trace service.
type spanReceiver struct {
	tracepb.UnimplementedTraceServiceServer
	c *collector
}

func (r spanReceiver) Export(_ context.Context, req *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	for _, resource := range req.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			r.c.spans = append(r.c.spans, scope.GetSpans()...)
		}
	}
	return &tracepb.ExportTraceServiceResponse{}, nil
}

// ServeHTTP takes both by http/protobuf.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

// span finds a span by its name.
func (c *collector) span(t *testing.T, name string) *tracedata.Span {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.GetName() == name {
			return s
		}
	}
	t.Fatalf("no span %q was received", name)
	return nil
}
