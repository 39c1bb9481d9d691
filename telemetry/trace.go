package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Tracer makes the spans of requests and batches:
//
//	Predict            a request, as a child of the client's span where it sent one
//	├ decode
//	├ queue
//	├ run              linked by its request to
//	└ encode
//	batch              one for all its requests, in the trace of the first and linked to each
//	└ execute          on a device
//
// Only a request's own span is made when it begins; all others are made when they are over, from times that are taken anyway.
type Tracer struct {
	tracer trace.Tracer
	w3c    propagation.TraceContext
}

// newTracer makes a tracer that sends spans by OTLP, where OTEL_* variables name an endpoint for them, and nil elsewhere. It
// samples as OTEL_TRACES_SAMPLER says: by default, what the caller samples and everything without a caller's decision;
// parentbased_traceidratio takes a share of the latter. shutdown sends what is left.
func newTracer(ctx context.Context, o Options) (t *Tracer, shutdown func(context.Context) error, err error) {
	if !signal("TRACES").on() {
		return nil, func(context.Context) error { return nil }, nil
	}
	exporter, err := newSpanExporter(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("OTLP traces: %w", err)
	}
	handleErrors(o.Logger)
	o.Logger.Info("traces are sent", slog.String("to", signal("TRACES").endpoint()))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(describe(ctx, o)))
	return &Tracer{tracer: provider.Tracer(scopeName, trace.WithInstrumentationVersion(o.Version))}, provider.Shutdown, nil
}

// REST begins the span of a request, and tells the client which it is by a traceparent of the answer; it is
// rest.Options.Trace. The span ends with Telemetry.RESTCall.
func (t *Tracer) REST(ctx context.Context, method string, http *fasthttp.RequestCtx) context.Context {
	ctx = t.w3c.Extract(ctx, requestHeader{&http.Request.Header})
	ctx = t.begin(ctx, method, http.Time())
	t.w3c.Inject(ctx, responseHeader{&http.Response.Header})
	return ctx
}

// RPC does the same for gRPC, with the call's metadata; it is rpc.Options.Trace. The span ends with Telemetry.RPCCall.
func (t *Tracer) RPC(ctx context.Context, method string) context.Context {
	start := time.Now()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = t.w3c.Extract(ctx, carrier(md))
	}
	ctx = t.begin(ctx, method[strings.LastIndexByte(method, '/')+1:], start)
	answer := metadata.MD{}
	t.w3c.Inject(ctx, carrier(answer))
	// Only a call that has been answered already can refuse a header.
	_ = grpc.SetHeader(ctx, answer)
	return ctx
}

// begin names a span as the metrics' label method does, whichever API it came by.
func (t *Tracer) begin(ctx context.Context, method string, start time.Time) context.Context {
	if method == "" {
		method = "unknown"
	}
	ctx, _ = t.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	return ctx
}

// TraceOf is what a batcher is to carry for the request that ctx belongs to: its span where that is sampled, else nil. It is
// bundle.Options.Trace.
func TraceOf(ctx context.Context) any {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		return span
	}
	return nil
}

// spanContext is the identity of what TraceOf gave.
func spanContext(traced any) trace.SpanContext {
	if span, ok := traced.(trace.Span); ok {
		return span.SpanContext()
	}
	return trace.SpanContext{}
}
