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
)

// TestRequestIDs: a client's id comes back, with an error too, one that is not fit for logs is replaced, and where ids are
// made every call has one.
func TestRequestIDs(t *testing.T) {
	for name, makes := range map[string]bool{"made": true, "not made": false} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var seen string
			conn := start(t, Options{Core: newCore(), MakeRequestIDs: makes, Observe: func(c Call) {
				mu.Lock()
				defer mu.Unlock()
				seen = c.RequestID
			}})
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

// TestTrace: what Trace makes of a call's context is with Observe at the end, which learns
// the sizes of both messages too.
func TestTrace(t *testing.T) {
	all := make(chan Call, 9)
	conn := start(t, Options{
		Core: newCore(),
		Trace: func(ctx context.Context, method string) context.Context {
			_ = grpc.SetHeader(ctx, metadata.Pairs("x-trace", "yes"))
			return context.WithValue(ctx, traceKey{}, method)
		},
		Observe: func(c Call) {
			sent, received := c.Bytes()
			c.Rows, c.Examples = sent, received // what is kept of them
			all <- c
		},
	})
	req := predictRequestOf("identity", "float32", protos{"x": floatProto([]int64{1, 2}, 1, 2)})
	resp := new(apis_go_proto.PredictResponse)
	var header metadata.MD
	if err := conn.Invoke(t.Context(), "/tensorflow.serving.PredictionService/Predict", req, resp, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	c := <-all
	if c.Context.Value(traceKey{}) != "/tensorflow.serving.PredictionService/Predict" || header.Get("x-trace") == nil {
		t.Errorf("the call is not traced: %v, %v", c.Context, header)
	}
	if c.Rows != proto.Size(req) || c.Examples != proto.Size(resp) {
		t.Errorf("%d and %d bytes are reported, want %d and %d", c.Rows, c.Examples, proto.Size(req), proto.Size(resp))
	}
}
