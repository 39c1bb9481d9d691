package rpc

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"shoal/serving"
)

// done is an observer of calls that are over.
type done func(*serving.Call)

func (done) Begin(ctx context.Context, _ *serving.Call) context.Context { return ctx }
func (f done) Done(c *serving.Call)                                     { f(c) }

// TestRequestIDs: a client's id comes back, with an error too, one that is not fit for logs is replaced, and where ids are
// made every call has one.
func TestRequestIDs(t *testing.T) {
	for name, makes := range map[string]bool{"made": true, "not made": false} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var seen string
			conn := start(t, Options{Core: newCore(), MakeRequestIDs: makes, Observer: done(func(c *serving.Call) {
				mu.Lock()
				defer mu.Unlock()
				seen = c.Facts().RequestID
			})})
			for sent, kept := range map[string]bool{"": false, "7f0e-4a1b": true, strings.Repeat("long", 100): false} {
				for _, model := range []string{"identity", "unknown"} {
					ctx, header := t.Context(), metadata.MD{}
					if sent != "" {
						ctx = metadata.AppendToOutgoingContext(ctx, "X-Request-Id", sent)
					}
					req := predictRequestOf(model, "float32", protos{"x": floatProto([]int64{1, 2}, 1, 2)})
					err := conn.Invoke(ctx, "/tensorflow.serving.PredictionService/Predict", req, new(apis_go_proto.PredictResponse), grpc.Header(&header))
					if (err == nil) != (model == "identity") {
						t.Error(err)
					}
					got := strings.Join(header.Get("x-request-id"), ",")
					switch wanted := sent != "" || makes; {
					case kept && got != sent, !kept && (got == sent) == wanted, (got != "") != wanted:
						t.Errorf("%s: %q was sent and %q came back", model, sent, got)
					}
					mu.Lock()
					if seen != got {
						t.Errorf("%q is reported, %q came back", seen, got)
					}
					mu.Unlock()
				}
			}
		})
	}
}

type traceKey struct{}

// seen is what a tracer learns of a call.
type seen struct {
	trace any
	facts serving.Facts
}

type tracer chan seen

func (tracer) Begin(ctx context.Context, c *serving.Call) context.Context {
	c.Exchange.SetHeader("X-Trace", "yes")
	return context.WithValue(ctx, traceKey{}, c.Exchange.Header("X-Name")+" "+c.Method)
}

func (t tracer) Done(c *serving.Call) { t <- seen{c.Context.Value(traceKey{}), c.Facts()} }

// TestTrace: an observer makes the context of a call, and has it at the end, when it learns the sizes of both messages too.
func TestTrace(t *testing.T) {
	all := make(tracer, 9)
	conn := start(t, Options{Core: newCore(), Observer: all})
	req := predictRequestOf("identity", "float32", protos{"x": floatProto([]int64{1, 2}, 1, 2)})
	resp := new(apis_go_proto.PredictResponse)
	var header metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-name", "n", "x-request-id", "id")
	if err := conn.Invoke(ctx, "/tensorflow.serving.PredictionService/Predict", req, resp, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	c := <-all
	if c.trace != "n Predict" || header.Get("x-trace") == nil {
		t.Errorf("the call is not traced: %v, %v", c.trace, header)
	}
	if want := (serving.Facts{RequestID: "id", Received: proto.Size(req), Sent: proto.Size(resp)}); c.facts != want {
		t.Errorf("%+v is reported, want %+v", c.facts, want)
	}
}
