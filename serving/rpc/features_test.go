package rpc

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"shoal/serving"
	"shoal/serving/rpc/rpctest"
)

type compressed struct {
	mu sync.Mutex
	n  int
}

func (c *compressed) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *compressed) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *compressed) HandleConn(context.Context, stats.ConnStats)                       {}
func (c *compressed) HandleRPC(_ context.Context, s stats.RPCStats) {
	if p, ok := s.(*stats.InPayload); ok && p.CompressedLength < p.Length {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.n++
	}
}

func TestGzip(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, Options{Core: newCore()}, l)
	var seen compressed
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(&seen))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := floatProto([]int64{100_000}, 2) // one value stands for all; the answer has each
	resp := new(apis_go_proto.PredictResponse)
	if err := rpctest.Call(t.Context(), conn, "Predict", predictRequestOf("half_plus_two", "", protos{"x": in}), resp, grpc.UseCompressor(gzip.Name)); err != nil {
		t.Fatal(err)
	}
	if v := resp.Outputs["y"].FloatVal; len(v) != 100_000 || v[99_999] != 4 || seen.n != 1 {
		t.Errorf("got %d values, %d compressed answers", len(v), seen.n)
	}
}

func TestRequestTooLarge(t *testing.T) {
	request := func(n int) *apis_go_proto.PredictRequest {
		return predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{int64(n)}, make([]float32, n)...)})
	}
	for _, c := range []struct {
		args ChannelArguments
		flag string
	}{
		{ChannelArguments{}, ": --max_request_bytes sets the limit"},
		{ChannelArguments{MaxReceiveBytes: 3000}, ": --grpc_channel_arguments=grpc.max_receive_message_length sets the limit"},
	} {
		conn := start(t, Options{Core: newCore(), MaxMessageBytes: 3000, ChannelArguments: c.args})
		for _, how := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}, {grpc.UseCompressor("deflate")}} {
			resp := new(apis_go_proto.PredictResponse)
			if err := rpctest.Call(t.Context(), conn, "Predict", request(700), resp, how...); err != nil {
				t.Error(err)
			}
			err := rpctest.Call(t.Context(), conn, "Predict", request(1000), resp, how...)
			if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "grpc: received message larger than max (40") || !strings.HasSuffix(err.Error(), c.flag) {
				t.Errorf("got %v", err)
			}
			if err := rpctest.Call(t.Context(), conn, "Predict", request(10_000), resp, how...); status.Code(err) != codes.ResourceExhausted {
				t.Errorf("got %v", err)
			}
		}
	}
	// What a channel argument allows, the server takes.
	conn := start(t, Options{Core: newCore(), MaxMessageBytes: 1000, MaxRequestBytes: 1000, ChannelArguments: ChannelArguments{MaxReceiveBytes: -1}})
	if _, err := call(t, conn, request(1000)); err != nil {
		t.Error(err)
	}
}

func TestReflection(t *testing.T) {
	conn := start(t, Options{Core: newCore()})
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(req *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := resp.GetErrorResponse(); e != nil {
			t.Fatalf("%v: %v", req, e)
		}
		return resp
	}
	var names []string
	for _, s := range ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}).GetListServicesResponse().Service {
		names = append(names, s.Name)
	}
	list := strings.Join(names, " ")
	for _, want := range []string{PredictionService, ModelService, "grpc.health.v1.Health"} {
		if !strings.Contains(list, want) {
			t.Errorf("%s is not among %s", want, list)
		}
	}
	symbols := []string{PredictionService, ModelService, "tensorflow.TensorProto"}
	for _, symbol := range symbols {
		files := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol}}).GetFileDescriptorResponse().FileDescriptorProto
		found := false
		for _, wire := range files {
			var file descriptorpb.FileDescriptorProto
			if err := proto.Unmarshal(wire, &file); err != nil {
				t.Fatal(err)
			}
			for _, s := range file.Service {
				found = found || file.GetPackage()+"."+s.GetName() == symbol
			}
			for _, m := range file.MessageType {
				found = found || file.GetPackage()+"."+m.GetName() == symbol
			}
		}
		if !found {
			t.Errorf("%s is in none of %d files", symbol, len(files))
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
}

func TestObserve(t *testing.T) {
	calls := make(chan serving.Call, 10)
	conn := start(t, Options{Core: newCore(), Observer: done(func(c *serving.Call) { calls <- *c })})
	call(t, conn, halfOfTwo)
	if c := <-calls; c.API != serving.GRPC || c.Method != "Predict" || c.Model != "half_plus_two" || c.Err != nil || c.Start.IsZero() {
		t.Errorf("got %+v", c)
	}
	rpctest.Call(t.Context(), conn, "Classify", &apis_go_proto.ClassificationRequest{ModelSpec: &apis_go_proto.ModelSpec{Name: "nope"}}, new(apis_go_proto.ClassificationResponse))
	if c := <-calls; c.Method != "Classify" || c.Model != "nope" || status.Code(c.Err) != codes.NotFound {
		t.Errorf("got %+v", c)
	}
}
