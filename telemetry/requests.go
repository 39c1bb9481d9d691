package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// key holds the labels of a request's series. There are few methods and APIs. A signature is one that the version has.
type key struct {
	model     string
	version   int64
	signature string
	api       string
	method    string
}

// requestSeries holds the counts of one key.
type requestSeries struct {
	since    time.Time
	codes    [codes.Unauthenticated + 1]counter
	duration histogram
	decode   histogram
	encode   histogram
}

func newRequestSeries() *requestSeries {
	s := &requestSeries{since: time.Now()}
	s.duration.init(phaseScale)
	s.decode.init(phaseScale)
	s.encode.init(phaseScale)
	return s
}

// Begin implements serving.Observer: it begins the call's span, if tracing is on.
func (t *Telemetry) Begin(ctx context.Context, c *serving.Call) context.Context {
	if t.tracing == nil {
		return ctx
	}
	return t.tracing.begin(ctx, c)
}

// Done implements serving.Observer: it counts the call, ends its span and logs it.
func (t *Telemetry) Done(c *serving.Call) {
	span := spanOf(c.Context)
	logged, traced := t.access.sampled(), t.tracing != nil && span.IsSampled()
	if logged || traced {
		facts := c.Facts()
		facts.Path = clip(facts.Path)
		if traced {
			t.tracing.end(c, &facts)
		}
		if logged {
			t.access.write(c, &facts, span)
		}
	}
	t.called(c)
	code := codeOf(c.Err)
	t.tf.finished(t.count(c, code, span), c, code)
}

func spanOf(ctx context.Context) trace.SpanContext {
	if ctx == nil {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(ctx)
}

// count counts the call in Shoal's own metrics and returns the model's name if it may be a label.
func (t *Telemetry) count(c *serving.Call, code codes.Code, span trace.SpanContext) (model string) {
	k := key{c.Model, c.Version, c.Signature, c.API, c.Method}
	s := t.requests.find(k)
	if s == nil {
		k.model, k.version = t.lives.admit(k.model, k.version)
		s = t.requests.get(k, newRequestSeries)
	}
	s.codes[code].add(1)
	s.duration.recordTraced(int64(c.Duration), span)
	if c.Decode > 0 {
		s.decode.recordTraced(int64(c.Decode), span)
	}
	if c.Encode > 0 {
		s.encode.recordTraced(int64(c.Encode), span)
	}
	return k.model
}

// codeOf returns the canonical code of an error. A code without a name in gRPC is UNKNOWN.
func codeOf(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	if st.Code() > codes.Unauthenticated {
		return codes.Unknown
	}
	return st.Code()
}
