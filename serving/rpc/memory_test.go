package rpc

import (
	"bytes"
	"context"
	"math"
	"sync"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/rpc/rpctest"
)

// lateReader is a servable whose batch reads the inputs after their caller has left, as one under way does.
type lateReader struct {
	*model
	came chan struct{} // one for each request that a batch reads
	left chan struct{} // closed once every caller has left and others have come
	read sync.WaitGroup
	t    *testing.T
}

func (l *lateReader) Handle(serving.ModelSpec) (*serving.Handle, error) {
	return serving.NewHandle(l, "m", 1, func() {}), nil
}
func (l *lateReader) Status(string, *int64) ([]serving.VersionStatus, error) { return nil, nil }
func (l *lateReader) Models() []serving.ModelStatus                          { return nil }
func (l *lateReader) Ready() (bool, []string)                                { return true, nil }

func (l *lateReader) Run(ctx context.Context, e batcher.Entry) (*batcher.Answer, error) {
	in, arena := e.Inputs, e.Arena
	if len(in[0].Data) == 4 {
		return l.model.Run(ctx, e)
	}
	arena.Retain()
	want, rows := bytes.Clone(in[0].Data), in[0].Rows()
	l.read.Go(func() {
		defer arena.Free()
		<-l.left
		if in[0].Rows() != rows || !bytes.Equal(in[0].Data, want) {
			l.t.Error("the inputs changed while a batch could read them")
		}
	})
	l.came <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// What a batch may still read stays as it is when the caller has left and its request's memory is used for others.
func TestInputsOutliveTheCaller(t *testing.T) {
	l := &lateReader{model: identity(), came: make(chan struct{}), left: make(chan struct{}), t: t}
	conn := start(t, Options{Core: l})
	send := func(ctx context.Context, values ...float32) error {
		req := predictRequestOf("m", "float32", protos{"x": floatProto([]int64{int64(len(values))}, values...)})
		return rpctest.Call(ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse))
	}
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-l.came; cancel() }()
		if err := send(ctx, float32(i), 2, 3); status.Code(err) != codes.Canceled {
			t.Errorf("got %v", err)
		}
		if err := send(t.Context(), float32(-i)); err != nil {
			t.Error(err)
		}
	}
	close(l.left)
	l.read.Wait()
}

// FuzzPredictRequest holds the reading of a request to the generated message's.
func FuzzPredictRequest(f *testing.F) {
	for _, m := range []*apis_go_proto.PredictRequest{
		predictRequestOf("m", "", protos{"b": floatProto([]int64{1}, 1), "a": floatProto(nil, 2)}),
		predictRequestOf("m", "s", nil),
		{ModelSpec: &apis_go_proto.ModelSpec{VersionChoice: &apis_go_proto.ModelSpec_VersionLabel{VersionLabel: "l"}}, OutputFilter: []string{"y", "y"}},
	} {
		wire, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	c := newCodec(math.MaxInt32)
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, want := new(predictRequest), new(apis_go_proto.PredictRequest)
		err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(wire)}, got)
		if proto.Unmarshal(wire, want) != nil {
			return // what is wrong inside of a tensor is found later, if at all
		}
		if err != nil {
			t.Fatal(err)
		}
		defer got.Recycle()
		if (got.spec == nil) != (want.ModelSpec == nil) || got.spec != nil && !proto.Equal(got.spec, want.ModelSpec) {
			t.Fatalf("spec %v, want %v", got.spec, want.ModelSpec)
		}
		if len(got.inputs) != len(want.Inputs) || len(got.filter) != len(want.OutputFilter) {
			t.Fatalf("%d inputs and %d outputs, want %v", len(got.inputs), len(got.filter), want)
		}
		for alias, m := range want.Inputs {
			wire, ok := got.input(alias)
			again := new(tensor_go_proto.TensorProto)
			if err := proto.Unmarshal(wire, again); !ok || err != nil || !proto.Equal(again, m) {
				t.Fatalf("input %q: %v, %v; want %v", alias, again, err, m)
			}
		}
	})
}
