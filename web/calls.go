package web

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/status"

	"shoal/serving/rest"
	"shoal/serving/rpc"
)

// call is a finished request of either API that may be a slow one. Phases of 0 were not measured.
type call struct {
	ctx       context.Context // nil: none
	api       string
	method    string
	model     string
	version   int64 // anyVersion: not known
	signature string
	err       error
	start     time.Time
	duration  time.Duration

	decode, queue, run, encode time.Duration
}

// RESTCall counts a finished request; it fits rest.Options.Observe.
func (p *Page) RESTCall(c rest.Call) {
	if p.slow.exceeded(p.count(c.Method, c.Model, c.Version, c.Duration, c.Err)) {
		p.slow.offer(&call{
			ctx: c.Context, api: "REST", method: c.Method, model: c.Model, version: c.Version, signature: c.Signature, err: c.Err,
			start: c.Start, duration: c.Duration, decode: c.Decode, queue: c.Queue, run: c.Run, encode: c.Encode,
		})
	}
}

// RPCCall counts a finished call; it fits rpc.Options.Observe.
func (p *Page) RPCCall(c rpc.Call) {
	if p.slow.exceeded(p.count(c.Method, c.Model, c.Version, c.Duration, c.Err)) {
		p.slow.offer(&call{
			ctx: c.Context, api: "gRPC", method: c.Method, model: c.Model, version: c.Version, signature: c.Signature, err: c.Err,
			start: c.Start, duration: c.Duration, decode: c.Decode, queue: c.Queue, run: c.Run, encode: c.Encode,
		})
	}
}

// inference tells the requests that run a model from questions about it, which would distort the latencies.
func inference(method string) bool {
	switch method {
	case "Predict", "Classify", "Regress", "MultiInference":
		return true
	}
	return false
}

// count counts a request and gives its duration, or 0 where it is none that counts. It allocates nothing, but for the first
// request of a version.
func (p *Page) count(method, model string, version int64, d time.Duration, err error) time.Duration {
	if !inference(method) {
		return 0
	}
	s := p.seriesOf(key{model, version})
	s.latency.record(d)
	if err != nil {
		s.errors.Add(1)
	}
	return d
}

// seriesOf makes a series for a version that answered only: a client can name any model, and none of those count alone.
func (p *Page) seriesOf(k key) *series {
	if k.version != anyVersion {
		return p.series.get(k)
	}
	if s := p.series.all()[k]; s != nil {
		return s
	}
	return &p.unknown
}

// maxErrorText bounds what is kept of an error's message.
const maxErrorText = 200

// describe keeps nothing of the call itself, which stays on the caller's stack.
func (c *call) describe() slowCall {
	s := slowCall{
		At: c.start.Add(c.duration).UnixMilli(), API: c.api, Method: c.method, Model: c.model, Signature: c.signature,
		Total: millis(c.duration), Decode: millis(c.decode), Queue: millis(c.queue), Run: millis(c.run), Encode: millis(c.encode),
	}
	if version := c.version; version != anyVersion {
		s.Version = &version
	}
	if c.err != nil {
		st := status.Convert(c.err)
		s.Code, s.Error = st.Code().String(), clip(st.Message(), maxErrorText)
	}
	if c.ctx != nil {
		if span := trace.SpanContextFromContext(c.ctx); span.IsSampled() {
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

// millis is a duration in milliseconds, to the microsecond.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
