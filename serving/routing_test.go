package serving_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	tf "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/rest"
	"shoal/serving/rest/v1"
	"shoal/serving/rpc"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// split gives a share of the requests that name no version to the canary, where that is available.
type split struct {
	serving.Core
	canary  int64
	percent uint64
	count   atomic.Uint64
}

func (s *split) Handle(spec serving.ModelSpec) (*serving.Handle, error) {
	if spec.Version != nil || spec.Label != "" || s.draw(spec.Key) >= s.percent {
		return s.Core.Handle(spec)
	}
	other := spec
	other.Version = &s.canary
	h, err := s.Core.Handle(other)
	if status.Code(err) == codes.NotFound {
		return s.Core.Handle(spec)
	}
	return h, err
}

// draw is a number from 0 to 99.
func (s *split) draw(key string) uint64 {
	if key == "" {
		return s.count.Add(1) % 100
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64() % 100
}

type core = servingtest.Core[*servingtest.Model]

// twoVersions is a core with version 1, which multiplies by 1, and the newest, 2, which multiplies by 2.
func twoVersions() *core {
	versions := make(map[int64]*servingtest.Model)
	for v := range int64(2) {
		factor := float32(v + 1)
		versions[v+1] = &servingtest.Model{
			Signatures: map[string]*tensor.Signature{"serving_default": {
				Name:    "serving_default",
				Inputs:  []tensor.Spec{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{-1}}},
				Outputs: []tensor.Spec{{Name: "y", DType: tensor.Float32, Shape: tensor.Shape{-1}}},
			}},
			Compute: func(_ context.Context, e batcher.Entry) ([]tensor.Tensor, error) {
				x := servingtest.Values(e.Inputs[0])
				return []tensor.Tensor{servingtest.Floats(tensor.Shape{int64(len(x))}, x[0]*factor)}, nil
			},
		}
	}
	return &core{Loaded: map[string]map[int64]*servingtest.Model{"m": versions}}
}

// Routing is a Core around another one: the protocols need no change.
func TestRoutingIsACore(t *testing.T) {
	inner := twoVersions()
	routed := &split{Core: inner, canary: 1, percent: 10}
	for name, predict := range map[string]func() float32{"REST": overREST(t, routed), "gRPC": overGRPC(t, routed)} {
		answers := make(map[float32]int)
		for range 100 {
			answers[predict()]++
		}
		if answers[1] != 10 || answers[2] != 90 {
			t.Errorf("%s: answers of the versions: %v, want 10 of version 1 and 90 of version 2", name, answers)
		}
	}
	if n := inner.Pinned(); n != 0 {
		t.Errorf("%d handles were not released", n)
	}
}

// Equal keys get the same version, and without the canary all requests go where they would without the split.
func TestRoutingByKey(t *testing.T) {
	inner := twoVersions()
	routed := &split{Core: inner, canary: 1, percent: 10}
	version := func(key string) int64 {
		h, err := routed.Handle(serving.ModelSpec{Model: "m", Key: key})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Release()
		return h.Version
	}
	versions := make(map[int64]int)
	for user := range 1000 {
		key := fmt.Sprintf("user %d", user)
		first := version(key)
		versions[first]++
		if again := version(key); again != first {
			t.Errorf("%s got version %d, then %d", key, first, again)
		}
	}
	if versions[1] == 0 || versions[1] > 200 {
		t.Errorf("users of the versions: %v", versions)
	}
	delete(inner.Loaded["m"], 1)
	for user := range 100 {
		if v := version(fmt.Sprintf("user %d", user)); v != 2 {
			t.Errorf("version %d, which is not available", v)
		}
	}
}

func overREST(t *testing.T, c serving.Core) func() float32 {
	s := rest.New(rest.Options{Core: c, APIs: []rest.API{v1.New(v1.Options{Core: c})}})
	l := serve(t, s.Serve, s.Shutdown)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return func() float32 {
		resp, err := client.Post("http://"+l+"/v1/models/m:predict", "application/json", bytes.NewReader([]byte(`{"instances": [1]}`)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct{ Predictions []float32 }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Predictions) != 1 {
			t.Fatalf("%s: %v %v", resp.Status, answer, err)
		}
		return answer.Predictions[0]
	}
}

func overGRPC(t *testing.T, c serving.Core) func() float32 {
	s, err := rpc.New(rpc.Options{Core: c})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(serve(t, func(l net.Listener) error { return s.Serve(l) }, s.Shutdown), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() float32 {
		answer := &apis_go_proto.PredictResponse{}
		err := conn.Invoke(t.Context(), "/"+rpc.PredictionService+"/Predict", &apis_go_proto.PredictRequest{
			ModelSpec: &apis_go_proto.ModelSpec{Name: "m"},
			Inputs: map[string]*tf.TensorProto{"x": {
				Dtype:       types_go_proto.DataType_DT_FLOAT,
				TensorShape: &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: 1}}},
				FloatVal:    []float32{1},
			}},
		}, answer)
		if err != nil {
			t.Fatal(err)
		}
		y := value(answer.Outputs["y"])
		if v := answer.ModelSpec.GetVersion().GetValue(); float32(v) != y {
			t.Errorf("the answer of version %v says that it is of version %d", y, v)
		}
		return y
	}
}

func value(t *tf.TensorProto) float32 {
	if b := t.GetTensorContent(); len(b) == 4 {
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	return t.GetFloatVal()[0]
}

// serve runs a server until the test ends, and returns its address.
func serve(t *testing.T, serve func(net.Listener) error, shutdown func(context.Context) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(l) }()
	t.Cleanup(func() {
		if err := shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}
