package rpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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

	"shoal/serving/rpc/rpctest"
	"shoal/tensor"
)

var halfOfTwo = predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{1}, 2)})

// One server answers on TCP and on a UNIX socket, in place of one that was left behind, and removes it at the end.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grpc.sock")
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()

	unix, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{Core: newCore()}, tcp, unix)
	for _, target := range []string{tcp.Addr().String(), "unix:" + path} {
		if _, err := call(t, dial(t, target, insecure.NewCredentials()), halfOfTwo); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestListenUnixSparesFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), "--grpc_socket_path") {
		t.Errorf("got %v, %v", l, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// compressed counts the answers that came compressed.
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
	conn := start(t, Options{Core: newCore(), MaxRequestBytes: 1000})
	_, err := call(t, conn, predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{1000}, make([]float32, 1000)...)}))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
	// What a channel argument allows, the server takes.
	conn = start(t, Options{Core: newCore(), MaxRequestBytes: 1000, ChannelArguments: ChannelArguments{MaxReceiveBytes: -1}})
	if _, err = call(t, conn, predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{1000}, make([]float32, 1000)...)})); err != nil {
		t.Error(err)
	}
}

// Reflection lists the services and finds the files and the types of every method.
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

// A panic in a handler is the caller's INTERNAL, goes to the log with its place, and the server goes on. An error that
// is no status keeps its text to the log as well.
func TestInternalErrors(t *testing.T) {
	c := newCore()
	c.versions["scalar"][1].
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
		wantStatus(t, err, codes.Internal, "internal error: the server's log has the reason")
	}
	_, err := call(t, conn, predictRequestOf("scalar", "long", in))
	wantStatus(t, err, codes.Aborted, strings.Repeat("é", 512)+"...TRUNCATED")
	err = rpctest.Call(t.Context(), conn, "MultiInference", &apis_go_proto.MultiInferenceRequest{
		Tasks: []*apis_go_proto.InferenceTask{{ModelSpec: &apis_go_proto.ModelSpec{Name: "scalar", SignatureName: "multi"}, MethodName: regressMethod}},
		Input: &apis_go_proto.Input{Kind: &apis_go_proto.Input_ExampleList{ExampleList: &apis_go_proto.ExampleList{Examples: append(
			(&apis_go_proto.ExampleList{}).GetExamples(), floatExample("x", 1))}}},
	}, new(apis_go_proto.MultiInferenceResponse))
	wantStatus(t, err, codes.Internal, "internal error: the server's log has the reason")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "secret"); n < 3 || !strings.Contains(log.String(), "server_test.go") {
		t.Errorf("the log:\n%s", log.String())
	}
}

func TestObserve(t *testing.T) {
	calls := make(chan Call, 10)
	conn := start(t, Options{Core: newCore(), Observe: func(c Call) { calls <- c }})
	call(t, conn, halfOfTwo)
	if c := <-calls; c.Method != "Predict" || c.Model != "half_plus_two" || c.Err != nil || c.Start.IsZero() {
		t.Errorf("got %+v", c)
	}
	rpctest.Call(t.Context(), conn, "Classify", &apis_go_proto.ClassificationRequest{ModelSpec: &apis_go_proto.ModelSpec{Name: "nope"}}, new(apis_go_proto.ClassificationResponse))
	if c := <-calls; c.Method != "Classify" || c.Model != "nope" || status.Code(c.Err) != codes.NotFound {
		t.Errorf("got %+v", c)
	}
}

// Shutdown answers what was accepted, refuses what comes later, and with its context over cancels what is left.
func TestShutdown(t *testing.T) {
	c := newCore()
	entered, release := make(chan struct{}, 2), make(chan struct{})
	c.versions["scalar"][1].add("wait", predictMethod, floatX, floatY, func(ctx context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		entered <- struct{}{}
		select {
		case <-release:
			return in, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	req := predictRequestOf("scalar", "wait", protos{"x": floatProto(nil, 1)})

	for _, graceful := range []bool{true, false} {
		conn, s := startServer(t, Options{Core: c})
		result := make(chan error, 1)
		go func() {
			_, err := call(t, conn, req)
			result <- err
		}()
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(ctx) }()
		if graceful {
			<-s.draining
			release <- struct{}{}
			if err := <-result; err != nil {
				t.Errorf("an accepted call failed: %v", err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		} else {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if err := <-result; status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
				t.Errorf("got %v", err)
			}
		}
		cancel()
		if _, err := call(t, conn, req); status.Code(err) != codes.Unavailable {
			t.Errorf("after the end: %v", err)
		}
	}
}

func TestServeFailure(t *testing.T) {
	s, err := New(Options{Core: newCore()})
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(closed, other); err == nil || !strings.Contains(err.Error(), closed.Addr().String()) {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	_, err := New(Options{MaxRequestBytes: -1, DefaultTimeout: -1})
	for _, want := range []string{"Core", "--max_request_bytes", "DefaultTimeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
