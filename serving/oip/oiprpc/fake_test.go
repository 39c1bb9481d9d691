package oiprpc

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/oip/inferencepb"
	"shoal/serving/rpc"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type core = servingtest.Core[*servingtest.Model]

// dtypes are those that the protocol has.
var dtypes = []tensor.DType{
	tensor.Bool, tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64, tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64,
	tensor.Float16, tensor.BFloat16, tensor.Float32, tensor.Float64, tensor.String,
}

// identity answers an input "x" of this type as "y".
func identity(d tensor.DType) *servingtest.Model {
	spec := func(name string) tensor.Spec { return tensor.Spec{Name: name, DType: d, Shape: tensor.Shape{-1, -1}} }
	return &servingtest.Model{
		Signatures: map[string]*tensor.Signature{"serving_default": {Name: "serving_default", Inputs: []tensor.Spec{spec("x")}, Outputs: []tensor.Spec{spec("y")}}},
		Compute:    func(_ context.Context, e batcher.Entry) ([]tensor.Tensor, error) { return e.Inputs, nil },
	}
}

// pair has two inputs, of which the second has a default, and answers them as outputs "p" and "q".
func pair() *servingtest.Model {
	def := servingtest.Floats(tensor.Shape{1, 2}, 8, 9)
	spec := func(name string) tensor.Spec {
		return tensor.Spec{Name: name, DType: tensor.Float32, Shape: tensor.Shape{-1, 2}}
	}
	with := spec("b")
	with.Default = &def
	return &servingtest.Model{
		Signatures: map[string]*tensor.Signature{
			"serving_default": {Name: "serving_default", Inputs: []tensor.Spec{spec("a"), with}, Outputs: []tensor.Spec{spec("p"), spec("q")}},
			"other":           {Name: "other", Inputs: []tensor.Spec{spec("a")}, Outputs: []tensor.Spec{spec("p")}},
		},
		Compute: func(_ context.Context, e batcher.Entry) ([]tensor.Tensor, error) { return e.Inputs, nil },
	}
}

// newCore serves a model for each type, named as it is, and "pair" in two versions.
func newCore() *core {
	c := &core{Loaded: map[string]map[int64]*servingtest.Model{"pair": {1: pair(), 2: pair()}}, Labels: map[string]int64{"stable": 1}}
	for _, d := range dtypes {
		c.Loaded[d.String()] = map[int64]*servingtest.Model{1: identity(d)}
	}
	for name, versions := range c.Loaded {
		status := serving.ModelStatus{Name: name, Configured: true}
		for v := range versions {
			status.Versions = append(status.Versions, serving.VersionStatus{Version: v, State: serving.Available})
		}
		c.Statuses = append(c.Statuses, status)
	}
	return c
}

// start serves a core, and checks at the end that no version is pinned any more.
func start(t testing.TB, c *core, o rpc.Options, change ...func(*Options)) *grpc.ClientConn {
	conn, _ := startServer(t, c, o, change...)
	return conn
}

func startServer(t testing.TB, c *core, o rpc.Options, change ...func(*Options)) (*grpc.ClientConn, *rpc.Server) {
	t.Helper()
	o.Core = c
	s, err := rpc.New(o)
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Version: "1.2.3", Log: new(slog.LevelVar)}
	for _, f := range change {
		f(&opts)
	}
	Register(s, opts)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if n := c.Pinned(); n != 0 {
			t.Errorf("%d versions are still pinned", n)
		}
	})
	return conn, s
}

// call makes a unary call of the service.
func call[Response any, P interface {
	*Response
	proto.Message
}](t testing.TB, conn *grpc.ClientConn, name string, req proto.Message) (P, error) {
	t.Helper()
	resp := P(new(Response))
	err := conn.Invoke(t.Context(), "/"+ServiceName+"/"+name, req, resp)
	return resp, err
}

func infer(t testing.TB, conn *grpc.ClientConn, req *inferencepb.ModelInferRequest) (*inferencepb.ModelInferResponse, error) {
	t.Helper()
	return call[inferencepb.ModelInferResponse](t, conn, "ModelInfer", req)
}
