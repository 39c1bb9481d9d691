package rpc

import (
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// TestTimings: a call's phases are told to who asks, and to nobody else.
func TestTimings(t *testing.T) {
	conn := start(t, Options{Core: newCore()})
	ask := func(keys ...string) metadata.MD {
		var trailer metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), keys...)
		req := predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{2}, 1, 2)})
		err := conn.Invoke(ctx, "/tensorflow.serving.PredictionService/Predict", req, new(apis_go_proto.PredictResponse), grpc.Trailer(&trailer))
		if err != nil {
			t.Fatal(err)
		}
		return trailer
	}
	told := ask("shoal-timing", "1")
	if len(told["server-timing"]) != 1 || len(told["shoal-model-version"]) != 1 {
		t.Fatalf("trailers %v", told)
	}
	if v := told["server-timing"][0]; !strings.HasPrefix(v, "decode;dur=") || !strings.Contains(v, ", run;dur=") || !strings.Contains(v, ", encode;dur=") {
		t.Error(v)
	}
	if got := ask(); len(got) != 0 {
		t.Errorf("told without being asked: %v", got)
	}
}
