package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/rest"
	"shoal/serving/rpc"
)

// The APIs, as the label says.
const (
	apiREST = "REST"
	apiRPC  = "gRPC"
)

// request is a finished call of either API. Its zero durations were not measured.
type request struct {
	key
	ctx      context.Context // nil: none
	err      error
	start    time.Time
	duration time.Duration
	decode   time.Duration
	queue    time.Duration
	run      time.Duration
	encode   time.Duration
	examples int
	span     trace.SpanContext
}

// key is the labels of a request's series. Methods and APIs are few; a signature is one that the version has.
type key struct {
	model     string
	version   int64
	signature string
	api       string
	method    string
}

// requestSeries is what is counted for each key.
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

// RESTCall counts a finished call of the REST API, ends its span and logs it; it is rest.Options.Observe.
func (t *Telemetry) RESTCall(c rest.Call) {
	r := request{
		key: key{c.Model, c.Version, c.Signature, apiREST, c.Method}, ctx: c.Context, err: c.Err, start: c.Start,
		duration: c.Duration, decode: c.Decode, queue: c.Queue, run: c.Run, encode: c.Encode,
		examples: c.Examples, span: spanOf(c.Context),
	}
	if logged := t.access.sampled(); logged || t.traced(&r) {
		t.tell(r, restDetails(&c), logged)
	}
	t.finished(r)
}

// RPCCall does the same for the gRPC API; it is rpc.Options.Observe.
func (t *Telemetry) RPCCall(c rpc.Call) {
	r := request{
		key: key{c.Model, c.Version, c.Signature, apiRPC, c.Method}, ctx: c.Context, err: c.Err, start: c.Start,
		duration: c.Duration, decode: c.Decode, queue: c.Queue, run: c.Run, encode: c.Encode,
		examples: c.Examples, span: spanOf(c.Context),
	}
	if logged := t.access.sampled(); logged || t.traced(&r) {
		t.tell(r, rpcDetails(&c), logged)
	}
	t.finished(r)
}

func (t *Telemetry) traced(r *request) bool { return t.tracing != nil && r.span.IsSampled() }

// tell gives a request to those who are told of single requests.
func (t *Telemetry) tell(r request, d details, logged bool) {
	if t.traced(&r) {
		t.tracing.end(&r, &d)
	}
	if logged {
		t.access.write(&r, &d)
	}
}

func spanOf(ctx context.Context) trace.SpanContext {
	if ctx == nil {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(ctx)
}

func (t *Telemetry) finished(r request) {
	code := codeOf(r.err)
	t.tf.finished(t.series(&r), &r, code)
}

// series counts the request in Shoal's own metrics and returns the model's name where it may be a label.
func (t *Telemetry) series(r *request) (model string) {
	s := t.requests.find(r.key)
	if s == nil {
		r.model, r.version = t.lives.admit(r.model, r.version)
		s = t.requests.get(r.key, newRequestSeries)
	}
	s.codes[codeOf(r.err)].add(1)
	s.duration.recordTraced(int64(r.duration), r.span)
	if r.decode > 0 {
		s.decode.recordTraced(int64(r.decode), r.span)
	}
	if r.encode > 0 {
		s.encode.recordTraced(int64(r.encode), r.span)
	}
	return r.model
}

// codeOf is the canonical code of an error; one that gRPC has no name for is UNKNOWN.
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
