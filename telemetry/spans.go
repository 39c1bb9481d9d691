package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"shoal/batcher"
)

// end ends a request's span, with its decoding and encoding as children.
func (t *Tracer) end(r *request, d *details) {
	span := trace.SpanFromContext(r.ctx)
	if !span.IsRecording() {
		return
	}
	end := r.start.Add(r.duration)
	if r.decode > 0 {
		t.child(span, "decode", r.start, r.decode)
	}
	if r.encode > 0 {
		t.child(span, "encode", end.Add(-r.encode), r.encode)
	}
	code := codeOf(r.err)
	attributes := []attribute.KeyValue{
		attribute.String("shoal.api", r.api), attribute.String("shoal.model", r.model), attribute.String("shoal.code", statusName(code)),
		attribute.Int("shoal.request.bytes", d.received), attribute.Int("shoal.response.bytes", d.sent),
	}
	if r.version >= 0 {
		attributes = append(attributes, attribute.Int64("shoal.version", r.version))
	}
	if r.signature != "" {
		attributes = append(attributes, attribute.String("shoal.signature", r.signature))
	}
	if d.rows > 0 {
		attributes = append(attributes, attribute.Int("shoal.rows", d.rows))
	}
	if d.id != "" {
		attributes = append(attributes, attribute.String("shoal.request.id", d.id))
	}
	if r.api == apiREST {
		attributes = append(attributes, attribute.String("http.request.method", d.verb), attribute.String("url.path", d.path),
			attribute.Int("http.response.status_code", d.status))
	} else {
		attributes = append(attributes, attribute.String("rpc.system", "grpc"), attribute.String("rpc.method", r.method))
	}
	span.SetAttributes(attributes...)
	if r.err != nil {
		span.RecordError(r.err, trace.WithTimestamp(end))
	}
	if serversFault(code) {
		span.SetStatus(otelcodes.Error, statusName(code))
	}
	span.End(trace.WithTimestamp(end))
}

// waited gives a request's span its time in the queue and in its batch.
func (t *Tracer) waited(e *batcher.EntryInfo) {
	span, ok := e.Trace.(trace.Span)
	if !ok {
		return
	}
	t.child(span, "queue", e.Arrived, e.Queue)
	if e.Run > 0 {
		t.child(span, "run", e.Arrived.Add(e.Queue), e.Run)
	}
}

// batch makes the span of a batch in which traced requests are, with the run on its device as a child, and links it to them
// and them to it. It returns nothing valid where there is no such request.
func (t *Tracer) batch(model string, version int64, b *batcher.BatchInfo) trace.SpanContext {
	var links []trace.Link
	for _, traced := range b.Traces {
		if span := spanContext(traced); span.IsSampled() {
			links = append(links, trace.Link{SpanContext: span})
		}
	}
	if len(links) == 0 {
		return trace.SpanContext{}
	}
	// The first request is its parent too: a root would be sampled anew, and could be left out.
	ctx := trace.ContextWithSpanContext(context.Background(), links[0].SpanContext)
	_, span := t.tracer.Start(ctx, "batch", trace.WithTimestamp(b.Start), trace.WithLinks(links...), trace.WithAttributes(
		attribute.String("shoal.model", model), attribute.Int64("shoal.version", version),
		attribute.String("shoal.signature", b.Signature.Name), attribute.String("shoal.batch.reason", string(b.Reason)),
		attribute.Int("shoal.batch.requests", b.Entries), attribute.Int("shoal.batch.rows", b.Rows),
		attribute.Int("shoal.batch.size", b.Size), attribute.Int("shoal.batch.padding", max(b.Size-b.Rows, 0)),
		attribute.String("shoal.code", statusName(codeOf(b.Err)))))
	var run []trace.SpanStartOption
	if device := deviceOf(b.Executor); device != "" {
		span.SetAttributes(attribute.String("shoal.device", device))
		run = append(run, trace.WithAttributes(attribute.String("shoal.device", device)))
	}
	t.child(span, "execute", b.Start, b.Run, run...)
	if b.Err != nil {
		span.RecordError(b.Err)
		span.SetStatus(otelcodes.Error, statusName(codeOf(b.Err)))
	}
	span.End(trace.WithTimestamp(b.Start.Add(b.Run)))
	for _, traced := range b.Traces {
		traced.(trace.Span).AddLink(trace.Link{SpanContext: span.SpanContext()})
	}
	return span.SpanContext()
}

// child adds a span that is over already.
func (t *Tracer) child(parent trace.Span, name string, start time.Time, took time.Duration, o ...trace.SpanStartOption) {
	_, span := t.tracer.Start(trace.ContextWithSpan(context.Background(), parent), name, append(o, trace.WithTimestamp(start))...)
	span.End(trace.WithTimestamp(start.Add(took)))
}

// deviceOf is the name of the device that an executor runs on, "" where it does not tell.
func deviceOf(x batcher.Executor) string {
	if on, ok := x.(interface{ Device() string }); ok {
		return on.Device()
	}
	return ""
}

// serversFault tells the codes for which a span counts as failed from those that are the client's doing, as OpenTelemetry's
// conventions for gRPC have it.
func serversFault(c codes.Code) bool {
	switch c {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	}
	return false
}
