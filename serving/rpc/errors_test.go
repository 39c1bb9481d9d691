package rpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/rpc/rpctest"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

func TestInternalErrors(t *testing.T) {
	c := newCore()
	c.Loaded["scalar"][1].
		add("panic", predictMethod, floatX, floatY, func(context.Context, []tensor.Tensor, time.Time) ([]tensor.Tensor, error) { panic("secret") }).
		add("error", predictMethod, floatX, floatY, func(context.Context, []tensor.Tensor, time.Time) ([]tensor.Tensor, error) {
			return nil, errors.New("secret")
		}).
		add("long", predictMethod, floatX, floatY, func(context.Context, []tensor.Tensor, time.Time) ([]tensor.Tensor, error) {
			return nil, status.Error(codes.Aborted, strings.Repeat("é", 1000))
		}).
		add("multi", predictMethod, examplesIn, map[string]tensor.DType{"outputs": tensor.Float32}, func(context.Context, []tensor.Tensor, time.Time) ([]tensor.Tensor, error) { panic("secret") })
	var log bytes.Buffer
	conn, s := startServer(t, Options{Core: c, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	in := protos{"x": floatProto(nil, 1)}
	for _, sig := range []string{"panic", "error"} {
		_, err := call(t, conn, predictRequestOf("scalar", sig, in))
		servingtest.WantStatus(t, err, codes.Internal, "internal error: the server's log has the reason")
	}
	_, err := call(t, conn, predictRequestOf("scalar", "long", in))
	servingtest.WantStatus(t, err, codes.Aborted, strings.Repeat("é", 512)+"...TRUNCATED")
	err = rpctest.Call(t.Context(), conn, "MultiInference", &apis_go_proto.MultiInferenceRequest{
		Tasks: []*apis_go_proto.InferenceTask{{ModelSpec: &apis_go_proto.ModelSpec{Name: "scalar", SignatureName: "multi"}, MethodName: regressMethod}},
		Input: &apis_go_proto.Input{Kind: &apis_go_proto.Input_ExampleList{ExampleList: &apis_go_proto.ExampleList{Examples: append(
			(&apis_go_proto.ExampleList{}).GetExamples(), floatExample("x", 1))}}},
	}, new(apis_go_proto.MultiInferenceResponse))
	servingtest.WantStatus(t, err, codes.Internal, "internal error: the server's log has the reason")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "secret"); n < 3 || !strings.Contains(log.String(), "errors_test.go") {
		t.Errorf("the log:\n%s", log.String())
	}
}
