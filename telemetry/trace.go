package telemetry

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"shoal/serving"
)

// tracer makes the spans of requests and batches:
//
//	Predict            a request, as a child of the client's span where it sent one
//	├ decode
//	├ queue
//	├ run              linked by its request to
//	└ encode
//	batch              one for all its requests, in the trace of the first and linked to each
//	└ execute          on a device
//
// Only the span of a request is made when it begins. All others are made when they have ended, from times that are taken anyway.
type tracer struct {
	tracer trace.Tracer
	w3c    propagation.TraceContext
}

// newTracer makes a tracer that sends spans by OTLP, if OTEL_* variables name an endpoint for them; otherwise it returns nil. It
// samples as OTEL_TRACES_SAMPLER says. The default samples what the caller samples, and everything for which a caller has not
// decided; parentbased_traceidratio samples a share of the latter. shutdown sends what is left.
func newTracer(ctx context.Context, o Options) (t *tracer, shutdown func(context.Context) error, err error) {
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
	return &tracer{tracer: provider.Tracer(scopeName, trace.WithInstrumentationVersion(o.Version))}, provider.Shutdown, nil
}

// begin begins the span of a call as a child of the client's span. Its name is that of the metrics' label method. The answer's
// traceparent tells the client which span it is.
func (t *tracer) begin(ctx context.Context, c *serving.Call) context.Context {
	method := c.Method
	if method == "" {
		method = "unknown"
	}
	if c.Exchange != nil {
		ctx = t.w3c.Extract(ctx, carrier{c.Exchange})
	}
	ctx, _ = t.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(c.Start))
	if c.Exchange != nil {
		t.w3c.Inject(ctx, carrier{c.Exchange})
	}
	return ctx
}

// carrier reads trace context from a request's headers and writes it to those of the answer.
type carrier struct{ serving.Exchange }

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string { return c.Header(key) }

// Set implements propagation.TextMapCarrier.
func (c carrier) Set(key, value string) { c.SetHeader(key, value) }

// Keys implements propagation.TextMapCarrier. It is not used.
func (carrier) Keys() []string { return nil }

// TraceOf returns what a batcher carries for the request of ctx: its span if that is sampled, otherwise nil. It fits
// bundle.Options.Trace.
func TraceOf(ctx context.Context) any {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		return span
	}
	return nil
}

// spanContext returns the identity of a span that TraceOf returned.
func spanContext(traced any) trace.SpanContext {
	if span, ok := traced.(trace.Span); ok {
		return span.SpanContext()
	}
	return trace.SpanContext{}
}
