package telemetry

import (
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	tracedata "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/telemetry/otlptest"
)

// The trace of a client: its id, its span, and the header with both.
const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
	sampled     = "00-" + clientTrace + "-" + clientSpan + "-01"
	unsampled   = "00-" + clientTrace + "-" + clientSpan + "-00"
)

func spanID(s *tracedata.Span) string { return hex.EncodeToString(s.GetSpanId()) }

// one is the only span of that name with that attribute; an empty key asks for none.
func one(t *testing.T, c *otlptest.Collector, name, key string, value any) *tracedata.Span {
	t.Helper()
	found := slices.DeleteFunc(c.Named(name), func(s *tracedata.Span) bool { return key != "" && otlptest.Attributes(s)[key] != value })
	if len(found) != 1 {
		t.Fatalf("%d spans %q with %s=%v", len(found), name, key, value)
	}
	return found[0]
}

func wantAttributes(t *testing.T, s *tracedata.Span, want map[string]any) {
	t.Helper()
	got := otlptest.Attributes(s)
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s of %s is %v, want %v", key, s.GetName(), got[key], value)
		}
	}
}

// call predicts by gRPC and gives the answer's header.
func (s *stack) call(pairs ...string) (header metadata.MD, err error) {
	req := &apis_go_proto.PredictRequest{ModelSpec: &apis_go_proto.ModelSpec{Name: "m"}, Inputs: map[string]*tensor_go_proto.TensorProto{"x": {
		Dtype: types_go_proto.DataType_DT_FLOAT, FloatVal: []float32{1, 2},
		TensorShape: &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: 2}}},
	}}}
	ctx := metadata.NewOutgoingContext(s.t.Context(), metadata.Pairs(pairs...))
	err = s.conn.Invoke(ctx, "/tensorflow.serving.PredictionService/Predict", req, new(apis_go_proto.PredictResponse), grpc.Header(&header))
	return header, err
}

// TestSpansOfABatch has two traced requests, one of each API, share a batch, and follows them through it.
func TestSpansOfABatch(t *testing.T) {
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			c := send(t, protocol)
			model := &echo{entered: make(chan struct{}, 9), hold: make(chan struct{})}
			s := newStack(t, Options{Version: "1.2.3"}, batcher.Config{AllowedBatchSizes: []int{1, 4}, MaxBatchSize: 4}, model)
			var clients sync.WaitGroup
			clients.Go(func() { s.predict(`{"instances": [0]}`) }) // keeps the instance busy, so that the others meet
			<-model.entered
			clients.Go(func() {
				if code, header := s.predict(`{"instances": [1]}`, "traceparent", sampled, "X-Request-Id", "mine"); code != 200 ||
					!strings.HasPrefix(header.Get("traceparent"), "00-"+clientTrace+"-") || header.Get("X-Request-Id") != "mine" {
					t.Errorf("%d %v", code, header)
				}
			})
			clients.Go(func() {
				header, err := s.call("traceparent", sampled, "x-request-id", "yours")
				if err != nil || !strings.HasPrefix(strings.Join(header.Get("traceparent"), ""), "00-"+clientTrace+"-") || header.Get("x-request-id")[0] != "yours" {
					t.Error(header, err)
				}
			})
			eventually(t, "two requests wait", func() bool { return model.batcher.Stats().Entries == 2 })
			close(model.hold)
			clients.Wait()
			s.stop()

			batch := one(t, c, "batch", "shoal.batch.requests", int64(2))
			wantAttributes(t, batch, map[string]any{
				"shoal.model": "m", "shoal.version": int64(1), "shoal.signature": "serving_default", "shoal.batch.reason": "idle", "shoal.code": "OK",
				"shoal.batch.rows": int64(3), "shoal.batch.size": int64(4), "shoal.batch.padding": int64(1), "shoal.device": "fake:0",
			})
			byREST, byRPC := one(t, c, "Predict", "shoal.request.id", "mine"), one(t, c, "Predict", "shoal.request.id", "yours")
			wantAttributes(t, byREST, map[string]any{"shoal.api": "REST", "shoal.rows": int64(1), "url.path": "/v1/models/m:predict",
				"http.response.status_code": int64(200), "shoal.model": "m", "shoal.version": int64(1), "shoal.signature": "serving_default"})
			wantAttributes(t, byRPC, map[string]any{"shoal.api": "gRPC", "shoal.rows": int64(2), "rpc.method": "Predict", "shoal.code": "OK"})
			for _, r := range []*tracedata.Span{byREST, byRPC} {
				if trace, parent := hex.EncodeToString(r.GetTraceId()), hex.EncodeToString(r.GetParentSpanId()); trace != clientTrace || parent != clientSpan {
					t.Errorf("the request is %s of %s", parent, trace)
				}
				if r.GetKind() != tracedata.Span_SPAN_KIND_SERVER {
					t.Errorf("kind %v", r.GetKind())
				}
				if links := otlptest.Links(r); len(links) != 1 || links[0] != spanID(batch) {
					t.Errorf("the request links to %v, its batch is %s", links, spanID(batch))
				}
				if !slices.Contains(otlptest.Links(batch), spanID(r)) {
					t.Errorf("the batch links to %v, not to %s", otlptest.Links(batch), spanID(r))
				}
				checkPhases(t, c, r)
			}
			execute := slices.DeleteFunc(c.Named("execute"), func(s *tracedata.Span) bool { return string(s.GetParentSpanId()) != string(batch.GetSpanId()) })
			if len(execute) != 1 {
				t.Fatalf("%d runs of the batch", len(execute))
			}
			wantAttributes(t, execute[0], map[string]any{"shoal.device": "fake:0"})
		})
	}
}

// checkPhases: decode, queue, run and encode are children of the request, and follow each other within it.
func checkPhases(t *testing.T, c *otlptest.Collector, request *tracedata.Span) {
	t.Helper()
	at := request.GetStartTimeUnixNano()
	for _, phase := range []string{"decode", "queue", "run", "encode"} {
		found := slices.DeleteFunc(c.Named(phase), func(s *tracedata.Span) bool { return string(s.GetParentSpanId()) != string(request.GetSpanId()) })
		if len(found) != 1 {
			t.Errorf("the request has %d spans %q", len(found), phase)
			continue
		}
		// Clocks are read at several places: a phase may seem to begin a little before the one before it has ended.
		const slack = uint64(time.Millisecond)
		if s := found[0]; s.GetStartTimeUnixNano()+slack < at || s.GetEndTimeUnixNano() > request.GetEndTimeUnixNano()+slack {
			t.Errorf("%s lies outside its place", phase)
		}
		at = found[0].GetEndTimeUnixNano()
	}
}

// TestFailedRequests: what is the server's fault is an error to whoever looks for errors, what is the client's is not.
func TestFailedRequests(t *testing.T) {
	c := send(t, protocolGRPC)
	model := &echo{fails: status.Error(codes.Internal, "broken")}
	s := newStack(t, Options{}, batcher.Config{}, model)
	s.predict(`{"instances": [1]}`)
	s.predict(`{"instances": ["a"]}`)
	s.stop()
	failed, refused := one(t, c, "Predict", "shoal.code", "INTERNAL"), one(t, c, "Predict", "shoal.code", "INVALID_ARGUMENT")
	if got := failed.GetStatus().GetCode(); got != tracedata.Status_STATUS_CODE_ERROR {
		t.Errorf("a failed run has the status %v", got)
	}
	if got := refused.GetStatus().GetCode(); got != tracedata.Status_STATUS_CODE_UNSET {
		t.Errorf("a bad request has the status %v", got)
	}
	wantAttributes(t, failed, map[string]any{"http.response.status_code": int64(500)})
	wantAttributes(t, refused, map[string]any{"http.response.status_code": int64(400)})
	if events := failed.GetEvents(); len(events) != 1 {
		t.Errorf("events %v", events)
	}
	wantAttributes(t, one(t, c, "batch", "", nil), map[string]any{"shoal.code": "INTERNAL"})
	if queue := one(t, c, "queue", "", nil); string(queue.GetParentSpanId()) != string(failed.GetSpanId()) {
		t.Error("the wait of the failed request is not shown")
	}
}

// TestSampling: a client's decision is respected, and a request that is not sampled leaves no span, nor does its batch.
func TestSampling(t *testing.T) {
	c := send(t, protocolGRPC)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0")
	s := newStack(t, Options{}, batcher.Config{}, &echo{})
	for id, parent := range map[string]string{"kept": sampled, "left": unsampled, "none": ""} {
		if code, _ := s.predict(`{"instances": [1]}`, "X-Request-Id", id, "traceparent", parent); code != 200 {
			t.Error(code)
		}
	}
	s.stop()
	one(t, c, "Predict", "shoal.request.id", "kept")
	if n := len(c.Spans()); n != 7 {
		t.Errorf("%d spans, want the request with its four phases, its batch and the run", n)
	}
}
