package rpc

import (
	"context"
	"math"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// BenchmarkPredict is the server's own part of a call: from the message's bytes to the answer's, without HTTP/2 and
// with a model that hands its input back.
func BenchmarkPredict(b *testing.B) {
	s, err := New(Options{Core: newCore()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Shutdown(b.Context())
	for name, n := range map[string]int{"10 floats": 10, "150528 floats": 224 * 224 * 3} {
		wire, err := proto.Marshal(predictRequestOf("identity", "float32", protos{"x": floatProto([]int64{1, int64(n)}, make([]float32, n)...)}))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(wire)))
			c, req := newCodec(math.MaxInt32), new(predictRequest)
			for b.Loop() {
				if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(wire)}, req); err != nil {
					b.Fatal(err)
				}
				resp, err := s.predict(context.Background(), req)
				if err != nil {
					b.Fatal(err)
				}
				out, err := c.Marshal(resp)
				if err != nil {
					b.Fatal(err)
				}
				out.Free()
				req.Recycle()
			}
		})
	}
}

// BenchmarkCall is a whole call over a loopback connection, client and server together.
func BenchmarkCall(b *testing.B) {
	for name, n := range map[string]int{"10 floats": 10, "150528 floats": 224 * 224 * 3} {
		b.Run(name, func(b *testing.B) {
			conn := start(b, Options{Core: newCore()})
			wire, err := proto.Marshal(predictRequestOf("identity", "float32", protos{"x": floatProto([]int64{1, int64(n)}, make([]float32, n)...)}))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				resp := new(apis_go_proto.PredictResponse)
				for pb.Next() {
					if err := conn.Invoke(b.Context(), "/tensorflow.serving.PredictionService/Predict", rawMessage(wire), resp, grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(math.MaxInt32)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
