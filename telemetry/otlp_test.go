package telemetry

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracedata "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/metadata"

	"shoal/batcher"
)

// send points the OTEL_* variables at the collector.
func (c *collector) send(t *testing.T, protocol string) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
	url := c.httpURL
	if protocol == protocolGRPC {
		url = c.grpcURL
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
}

func TestMetricsArePushed(t *testing.T) {
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			c := newCollector(t)
			c.send(t, protocol)
			tel, err := New(t.Context(), Options{Version: "1.2.3"})
			if err != nil {
				t.Fatal(err)
			}
			exercise(tel)
			if err := tel.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			names := make(map[string]bool)
			for _, m := range c.metrics {
				names[m.GetName()] = true
				if m.GetName() == "shoal.request.duration" && m.GetHistogram().GetDataPoints()[0].GetCount() == 0 {
					t.Error("an empty histogram")
				}
			}
			for _, want := range []string{"shoal.requests", "shoal.request.duration", "shoal.batches", "shoal.build.info", "go.goroutine.count"} {
				if !names[want] {
					t.Errorf("%s was not received", want)
				}
			}
			if !c.services["shoal"] {
				t.Errorf("sent as %v", c.services)
			}
		})
	}
}

// TestSpansOfARequest follows a request of a traced client through its batch.
func TestSpansOfARequest(t *testing.T) {
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			c := newCollector(t)
			c.send(t, protocol)
			tracer, shutdown, err := Setup(t.Context(), Options{Version: "1.2.3"})
			if err != nil {
				t.Fatal(err)
			}
			var header fasthttp.RequestHeader
			header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			start := time.Now().Add(-10 * time.Millisecond)
			_, r := tracer.Request(t.Context(), "Predict", HTTPCarrier{&header}, start)
			r.Model("m", 2, "serving_default", 3)
			r.Phase("decode", start, time.Millisecond)
			b := tracer.Batch(start, []trace.SpanContext{r.Context(), {}})
			b.End("m", 2, "CPU:0", batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonIdle, Entries: 1, Rows: 3, Size: 4, Run: time.Millisecond})
			r.Link(b.Context())
			r.End(errors.New("encoding failed"))
			if err := shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}

			request, decode, batch, run := c.span(t, "Predict"), c.span(t, "decode"), c.span(t, "batch"), c.span(t, "run")
			if got := hex.EncodeToString(request.GetTraceId()) + hex.EncodeToString(request.GetParentSpanId()); got != "0af7651916cd43dd8448eb211c80319cb7ad6b7169203331" {
				t.Errorf("the request's parent is %s", got)
			}
			if request.GetKind() != tracedata.Span_SPAN_KIND_SERVER || request.GetStatus().GetCode() != tracedata.Status_STATUS_CODE_ERROR {
				t.Errorf("kind %v, status %v", request.GetKind(), request.GetStatus())
			}
			if !bytes.Equal(decode.GetParentSpanId(), request.GetSpanId()) || decode.GetEndTimeUnixNano()-decode.GetStartTimeUnixNano() != 1e6 {
				t.Errorf("decode: %v", decode)
			}
			if l := batch.GetLinks(); len(l) != 1 || !bytes.Equal(l[0].GetSpanId(), request.GetSpanId()) {
				t.Errorf("the batch's links: %v", l)
			}
			if l := request.GetLinks(); len(l) != 1 || !bytes.Equal(l[0].GetSpanId(), batch.GetSpanId()) {
				t.Errorf("the request's links: %v", l)
			}
			if !bytes.Equal(run.GetParentSpanId(), batch.GetSpanId()) {
				t.Errorf("the run's parent: %x", run.GetParentSpanId())
			}
			for key, want := range map[string]int64{"shoal.batch.size": 4, "shoal.batch.padding": 1, "shoal.batch.rows": 3, "shoal.version": 2} {
				if got := attributeOf(batch, key); got != want {
					t.Errorf("%s of the batch is %d, want %d", key, got, want)
				}
			}
			if got := attributeOf(request, "shoal.rows"); got != 3 {
				t.Errorf("shoal.rows of the request is %d", got)
			}
		})
	}
}

func attributeOf(s *tracedata.Span, key string) int64 {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == key {
			return a.GetValue().GetIntValue()
		}
	}
	return -1
}

// TestSampling: a client's decision is respected, and a request that is not sampled leaves no span, nor does its batch.
func TestSampling(t *testing.T) {
	c := newCollector(t)
	c.send(t, protocolGRPC)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0")
	tracer, shutdown, err := Setup(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, parent := range map[string]string{
		"kept": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"left": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
		"none": "",
	} {
		ctx, r := tracer.Request(t.Context(), name, RPCCarrier(metadata.Pairs("traceparent", parent)), time.Now())
		if got := trace.SpanContextFromContext(ctx); !got.Equal(r.Context()) {
			t.Errorf("%s: the context carries %v", name, got)
		}
		b := tracer.Batch(time.Now(), []trace.SpanContext{r.Context()})
		if (b != nil) != (name == "kept") {
			t.Errorf("%s: batch %v", name, b)
		}
		b.End("m", 1, "", batcher.BatchInfo{Signature: sig})
		r.End(nil)
	}
	if err := shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 3 {
		t.Errorf("%d spans, want the request, its batch and the run", len(c.spans))
	}
	c.span(t, "kept")
}

// TestOffByDefault: without an endpoint nothing is set up, nothing is sent, and spans cost nothing.
func TestOffByDefault(t *testing.T) {
	for name, env := range map[string][2]string{
		"no endpoint": {"OTEL_EXPORTER_OTLP_ENDPOINT", ""},
		"disabled":    {"OTEL_SDK_DISABLED", "true"},
		"none":        {"OTEL_TRACES_EXPORTER", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv("OTEL_METRICS_EXPORTER", "none")
			t.Setenv(env[0], env[1])
			tel := newTelemetry(t)
			if tel.Tracer() != nil || tel.push != nil {
				t.Error("something would be sent")
			}
		})
	}
	var off *Tracer
	var header fasthttp.RequestHeader
	ctx := context.Background()
	n := testing.AllocsPerRun(100, func() {
		_, r := off.Request(ctx, "Predict", HTTPCarrier{&header}, time.Time{})
		r.Model("m", 1, "s", 1)
		r.Phase("decode", time.Time{}, 0)
		b := off.Batch(time.Time{}, nil)
		b.End("m", 1, "", batcher.BatchInfo{})
		r.Link(b.Context())
		r.End(nil)
	})
	if n != 0 {
		t.Errorf("%v allocations while tracing is off", n)
	}
}

func TestProtocolIsChecked(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "smoke")
			if name == "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" {
				t.Setenv("OTEL_METRICS_EXPORTER", "none")
			}
			if _, err := New(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v does not name the variable", err)
			}
		})
	}
}

func TestCarriers(t *testing.T) {
	var header fasthttp.RequestHeader
	for name, c := range map[string]propagation.TextMapCarrier{"HTTP": HTTPCarrier{&header}, "RPC": RPCCarrier(metadata.MD{})} {
		c.Set("traceparent", "x")
		if got := c.Get("traceparent"); got != "x" {
			t.Errorf("%s: got %q", name, got)
		}
		if keys := strings.ToLower(strings.Join(c.Keys(), ",")); keys != "traceparent" {
			t.Errorf("%s: keys %q", name, keys)
		}
		if got := c.Get("tracestate"); got != "" {
			t.Errorf("%s: got %q of nothing", name, got)
		}
	}
}
