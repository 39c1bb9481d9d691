package web

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// Begin implements serving.Observer. It does nothing: the page counts finished calls.
func (p *Page) Begin(ctx context.Context, _ *serving.Call) context.Context { return ctx }

// Done implements serving.Observer: it counts the call.
func (p *Page) Done(c *serving.Call) {
	if p.slow.exceeded(p.count(c)) {
		p.slow.offer(c)
	}
}

// count counts a call and returns its duration, or 0 for a call that is not counted. It allocates only at the first call of a
// version.
func (p *Page) count(c *serving.Call) time.Duration {
	if !c.Infers() { // requests for status or metadata would distort the latencies
		return 0
	}
	s := p.seriesOf(key{c.Model, c.Version})
	s.latency.record(c.Duration)
	if c.Err != nil {
		s.errors.Add(1)
	}
	return c.Duration
}

// seriesOf returns the series of k. It makes one only for a version that answered. A client can name any model, so calls for
// unknown models share one series.
func (p *Page) seriesOf(k key) *series {
	if k.version != serving.NoVersion {
		return p.series.get(k)
	}
	if s := p.series.all()[k]; s != nil {
		return s
	}
	return &p.unknown
}

// maxErrorText bounds what is kept of an error's message.
const maxErrorText = 200

// newSlowCall copies what it needs, because the call is used again.
func newSlowCall(c *serving.Call) slowCall {
	s := slowCall{
		At: c.Start.Add(c.Duration).UnixMilli(), API: c.API, Method: c.Method, Model: c.Model, Signature: c.Signature,
		Total: millis(c.Duration), Decode: millis(c.Decode), Queue: millis(c.Queue), Run: millis(c.Run), Encode: millis(c.Encode),
	}
	if version := c.Version; version != serving.NoVersion {
		s.Version = &version
	}
	if c.Err != nil {
		st := status.Convert(c.Err)
		s.Code, s.Error = st.Code().String(), clip(st.Message(), maxErrorText)
	}
	if c.Context != nil {
		if span := trace.SpanContextFromContext(c.Context); span.IsSampled() {
			s.Trace = span.TraceID().String()
		}
	}
	return s
}

// clip shortens a text to n bytes or a little less, between characters.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n] + "…"
}

// millis returns a duration in milliseconds, rounded to microseconds.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
