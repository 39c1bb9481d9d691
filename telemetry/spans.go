package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"shoal/batcher"
	"shoal/serving"
)

// end ends a request's span, with its decoding and encoding as children.
func (t *tracer) end(c *serving.Call, f *serving.Facts) {
	span := trace.SpanFromContext(c.Context)
	if !span.IsRecording() {
		return
	}
	end := c.Start.Add(c.Duration)
	if c.Decode > 0 {
		t.child(span, "decode", c.Start, c.Decode)
	}
	if c.Encode > 0 {
		t.child(span, "encode", end.Add(-c.Encode), c.Encode)
	}
	code := codeOf(c.Err)
	attributes := []attribute.KeyValue{
		attribute.String("shoal.api", c.API), attribute.String("shoal.model", c.Model), attribute.String("shoal.code", statusName(code)),
		attribute.Int("shoal.request.bytes", f.Received), attribute.Int("shoal.response.bytes", f.Sent),
	}
	if c.Version >= 0 {
		attributes = append(attributes, attribute.Int64("shoal.version", c.Version))
	}
	if c.Signature != "" {
		attributes = append(attributes, attribute.String("shoal.signature", c.Signature))
	}
	if rows := max(c.Rows, c.Examples); rows > 0 {
		attributes = append(attributes, attribute.Int("shoal.rows", rows))
	}
	if f.RequestID != "" {
		attributes = append(attributes, attribute.String("shoal.request.id", f.RequestID))
	}
	if c.API == serving.REST {
		attributes = append(attributes, attribute.String("http.request.method", f.Verb), attribute.String("url.path", f.Path),
			attribute.Int("http.response.status_code", f.Status))
	} else {
		attributes = append(attributes, attribute.String("rpc.system", "grpc"), attribute.String("rpc.method", c.Method))
	}
	span.SetAttributes(attributes...)
	if c.Err != nil {
		span.RecordError(c.Err, trace.WithTimestamp(end))
	}
	if serversFault(code) {
		span.SetStatus(otelcodes.Error, statusName(code))
	}
	span.End(trace.WithTimestamp(end))
}

// waited adds a request's time in the queue and in its batch to its span.
func (t *tracer) waited(e *batcher.EntryInfo) {
	span, ok := e.Trace.(trace.Span)
	if !ok {
		return
	}
	t.child(span, "queue", e.Arrived, e.Queue)
	if e.Run > 0 {
		t.child(span, "run", e.Arrived.Add(e.Queue), e.Run)
	}
}

// batch makes the span of a batch with traced requests, with the run on its device as a child, and links the batch and the
// requests in both directions. Without a traced request, what it returns is not valid.
func (t *tracer) batch(model string, version int64, b *batcher.BatchInfo) trace.SpanContext {
	var links []trace.Link
	for _, traced := range b.Traces {
		if span := spanContext(traced); span.IsSampled() {
			links = append(links, trace.Link{SpanContext: span})
		}
	}
	if len(links) == 0 {
		return trace.SpanContext{}
	}
	// The first request is its parent too. A root span would be sampled again, and could be left out.
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

// child adds a span that has ended already.
func (t *tracer) child(parent trace.Span, name string, start time.Time, took time.Duration, o ...trace.SpanStartOption) {
	_, span := t.tracer.Start(trace.ContextWithSpan(context.Background(), parent), name, append(o, trace.WithTimestamp(start))...)
	span.End(trace.WithTimestamp(start.Add(took)))
}

// deviceOf returns the name of the device that an executor runs on, or "" if the executor does not say.
func deviceOf(x batcher.Executor) string {
	if on, ok := x.(interface{ Device() string }); ok {
		return on.Device()
	}
	return ""
}

// serversFault reports whether a span with this code counts as failed. It does not if the client is the cause, by OpenTelemetry's
// conventions for gRPC.
func serversFault(c codes.Code) bool {
	switch c {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	}
	return false
}
