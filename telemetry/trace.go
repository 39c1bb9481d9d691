package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"shoal/batcher"
)

// Tracer makes the spans of requests and batches. A nil Tracer makes none, and costs nothing: its methods return nil spans,
// whose methods do nothing.
type Tracer struct {
	tracer trace.Tracer
	w3c    propagation.TraceContext
}

// Setup makes a tracer that sends spans by OTLP, where OTEL_* variables name an endpoint for them, and nil elsewhere. It
// samples as OTEL_TRACES_SAMPLER says: by default, what the caller samples and everything without a caller's decision;
// parentbased_traceidratio takes a share of the latter. shutdown sends what is left.
func Setup(ctx context.Context, o Options) (t *Tracer, shutdown func(context.Context) error, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if !signal("TRACES").on() {
		return nil, func(context.Context) error { return nil }, nil
	}
	exporter, err := newSpanExporter(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("OTLP traces: %w", err)
	}
	handleErrors(o.Logger)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(describe(ctx, o)))
	return &Tracer{tracer: provider.Tracer(scopeName, trace.WithInstrumentationVersion(o.Version))}, provider.Shutdown, nil
}

// RequestSpan is the span of one request, with its phases as children. A nil one does nothing.
type RequestSpan struct {
	tracer trace.Tracer
	ctx    context.Context
	span   trace.Span
}

// Request begins the span of a request that arrived at start, as a child of the caller's where carrier has a traceparent.
// The context returned carries the span.
func (t *Tracer) Request(ctx context.Context, name string, carrier propagation.TextMapCarrier, start time.Time) (context.Context, *RequestSpan) {
	if t == nil {
		return ctx, nil
	}
	ctx = t.w3c.Extract(ctx, carrier)
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	return ctx, &RequestSpan{tracer: t.tracer, ctx: ctx, span: span}
}

// Model says what the request turned out to be for.
func (r *RequestSpan) Model(model string, version int64, signature string, rows int) {
	if r == nil || !r.span.IsRecording() {
		return
	}
	r.span.SetAttributes(attribute.String("shoal.model", model), attribute.Int64("shoal.version", version),
		attribute.String("shoal.signature", signature), attribute.Int("shoal.rows", rows))
}

// Phase adds a child that is over already: decode, queue, run, encode.
func (r *RequestSpan) Phase(name string, start time.Time, took time.Duration) {
	if r == nil || !r.span.IsRecording() {
		return
	}
	_, s := r.tracer.Start(r.ctx, name, trace.WithTimestamp(start))
	s.End(trace.WithTimestamp(start.Add(took)))
}

// Context is the span's identity, for the batch that the request travels in.
func (r *RequestSpan) Context() trace.SpanContext {
	if r == nil {
		return trace.SpanContext{}
	}
	return r.span.SpanContext()
}

// Link points from the request to the batch it was in.
func (r *RequestSpan) Link(batch trace.SpanContext) {
	if r != nil && batch.IsValid() {
		r.span.AddLink(trace.Link{SpanContext: batch})
	}
}

// End ends the span with the request's outcome. Nothing of it may be used afterwards.
func (r *RequestSpan) End(err error) {
	if r == nil {
		return
	}
	setOutcome(r.span, err)
	r.span.End()
}

// BatchSpan is the span of one batch, in the trace of its first request and linked to all of them. A nil one does nothing.
type BatchSpan struct {
	tracer trace.Tracer
	ctx    context.Context
	span   trace.Span
}

// Batch begins the span of a batch that was taken at start. Requests without a sampled span get no link; if none has one,
// the batch has no span either.
func (t *Tracer) Batch(start time.Time, requests []trace.SpanContext) *BatchSpan {
	if t == nil {
		return nil
	}
	var links []trace.Link
	for _, r := range requests {
		if r.IsSampled() {
			links = append(links, trace.Link{SpanContext: r})
		}
	}
	if len(links) == 0 {
		return nil
	}
	// The first request is its parent too: a root would be sampled anew, and could be left out.
	ctx := trace.ContextWithSpanContext(context.Background(), links[0].SpanContext)
	ctx, span := t.tracer.Start(ctx, "batch", trace.WithTimestamp(start), trace.WithLinks(links...))
	return &BatchSpan{tracer: t.tracer, ctx: ctx, span: span}
}

// Context is the span's identity, to which the requests link.
func (b *BatchSpan) Context() trace.SpanContext {
	if b == nil {
		return trace.SpanContext{}
	}
	return b.span.SpanContext()
}

// End ends the span with what became of the batch on a device; the run is its child.
func (b *BatchSpan) End(model string, version int64, device string, info batcher.BatchInfo) {
	if b == nil {
		return
	}
	end := time.Now()
	_, run := b.tracer.Start(b.ctx, "run", trace.WithTimestamp(end.Add(-info.Run)), trace.WithAttributes(attribute.String("shoal.device", device)))
	run.End(trace.WithTimestamp(end))
	b.span.SetAttributes(attribute.String("shoal.model", model), attribute.Int64("shoal.version", version),
		attribute.String("shoal.signature", info.Signature.Name), attribute.String("shoal.batch.reason", string(info.Reason)),
		attribute.Int("shoal.batch.requests", info.Entries), attribute.Int("shoal.batch.rows", info.Rows),
		attribute.Int("shoal.batch.size", info.Size), attribute.Int("shoal.batch.padding", max(info.Size-info.Rows, 0)))
	setOutcome(b.span, info.Err)
	b.span.End(trace.WithTimestamp(end))
}

func setOutcome(span trace.Span, err error) {
	code := statusName(codeOf(err))
	span.SetAttributes(attribute.String("shoal.code", code))
	if err != nil {
		span.SetStatus(otelcodes.Error, code)
	}
}
