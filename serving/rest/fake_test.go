package rest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/engine"
	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// fakeCore serves fakes by hand.
type fakeCore = servingtest.Core[*fakeServable]

// fakeServable computes y = x/2 + plus for every signature that has an input.
type fakeServable struct {
	signatures map[string]*tensor.Signature
	plus       float32
	entered    chan struct{} // where set, Run says that it has begun
	gate       chan struct{} // where set, Run waits for it or for the end of ctx
	err        error
	refuses    error // before decoding
	panics     bool
	rows       int // where set, what the answer says ran together
	repeat     int // where set, every row comes so many times
	deadline   atomic.Pointer[time.Time]
}

func (f *fakeServable) Signature(name string) (*tensor.Signature, bool) {
	if name == "" {
		name = "serving_default"
	}
	sig, ok := f.signatures[name]
	return sig, ok
}

func (f *fakeServable) Describe() *engine.Description {
	info := func(name string, dtype types_go_proto.DataType, dims ...int64) *for_core_protos_go_proto.TensorInfo {
		shape := &tensor_shape_go_proto.TensorShapeProto{UnknownRank: dims == nil}
		for _, d := range dims {
			shape.Dim = append(shape.Dim, &tensor_shape_go_proto.TensorShapeProto_Dim{Size: d})
		}
		return &for_core_protos_go_proto.TensorInfo{Encoding: &for_core_protos_go_proto.TensorInfo_Name{Name: name}, Dtype: dtype, TensorShape: shape}
	}
	metadata := &apis_go_proto.SignatureDefMap{SignatureDef: map[string]*for_core_protos_go_proto.SignatureDef{
		"serving_default": {
			Inputs:     map[string]*for_core_protos_go_proto.TensorInfo{"x": info("x:0", types_go_proto.DataType_DT_FLOAT, -1)},
			Outputs:    map[string]*for_core_protos_go_proto.TensorInfo{"y": info("y:0", types_go_proto.DataType_DT_FLOAT)},
			MethodName: "tensorflow/serving/predict",
		},
	}}
	return &engine.Description{Signatures: f.signatures, Metadata: metadata}
}

func (f *fakeServable) Run(ctx context.Context, e batcher.Entry) (*batcher.Answer, error) {
	f.deadline.Store(&e.Deadline)
	if f.entered != nil {
		f.entered <- struct{}{}
	}
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
	if f.panics {
		panic("out of luck")
	}
	if f.err != nil {
		return nil, f.err
	}
	in := e.Inputs[0]
	n := in.Len()
	if in.DType == tensor.String { // serialised examples: one value each
		n = len(in.Strings)
	}
	repeat := max(1, f.repeat)
	data := make([]byte, 0, 4*n*repeat)
	for i := range n {
		x := float32(1)
		if in.DType == tensor.Float32 {
			x = math.Float32frombits(binary.LittleEndian.Uint32(in.Data[4*i:]))
		}
		for range repeat {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x/2+f.plus))
		}
	}
	shape := in.Shape
	if repeat > 1 {
		shape = tensor.Shape{int64(n * repeat)}
	}
	if e.Signature.Method == "tensorflow/serving/classify" {
		shape = tensor.Shape{int64(n), 1}
	}
	return &batcher.Answer{
		Outputs: []tensor.Tensor{{DType: tensor.Float32, Shape: shape, Data: data}},
		Queue:   1500 * time.Microsecond, Run: 250 * time.Microsecond,
		BatchRows: max(f.rows, n), BatchSize: max(f.rows, n),
	}, nil
}

func (f *fakeServable) Refuses(*tensor.Signature) error { return f.refuses }

func (f *fakeServable) Close() {}

func halfPlusTwo(plus float32) *fakeServable {
	batch := tensor.Shape{-1}
	x := []tensor.Spec{{Name: "x", DType: tensor.Float32, Shape: batch, TensorName: "x:0"}}
	examples := []tensor.Spec{{Name: "inputs", DType: tensor.String, Shape: batch, TensorName: "in:0"}}
	out := func(name string, shape tensor.Shape) []tensor.Spec {
		return []tensor.Spec{{Name: name, DType: tensor.Float32, Shape: shape, TensorName: name + ":0"}}
	}
	return &fakeServable{plus: plus, signatures: map[string]*tensor.Signature{
		"serving_default": {Name: "serving_default", Method: "tensorflow/serving/predict", Inputs: x, Outputs: out("y", batch)},
		"no_inputs":       {Name: "no_inputs", Method: "tensorflow/serving/predict", Outputs: out("y", batch)},
		"classify":        {Name: "classify", Method: "tensorflow/serving/classify", Inputs: examples, Outputs: out("scores", tensor.Shape{-1, 1})},
		"regress":         {Name: "regress", Method: "tensorflow/serving/regress", Inputs: examples, Outputs: out("outputs", batch)},
	}}
}

func newFakeCore() *fakeCore {
	return &fakeCore{
		Loaded: map[string]map[int64]*fakeServable{
			"half_plus_two": {1: halfPlusTwo(2), 2: halfPlusTwo(3)},
			"a/b:c d":       {7: halfPlusTwo(0)},
		},
		Labels: map[string]int64{"stable": 1, "canary": 2, "a:b": 1},
		Statuses: []serving.ModelStatus{
			{Name: "broken", Versions: []serving.VersionStatus{{Version: 3, State: serving.End, Err: status.Error(codes.NotFound, `no "saved_model.pb"`)}}},
			{Name: "half_plus_two", Versions: []serving.VersionStatus{
				{Version: 2, State: serving.Available, Labels: []string{"canary"}},
				{Version: 1, State: serving.Available, Labels: []string{"stable"}},
			}},
		},
	}
}

// retryError is an error with a hint, as a full queue gives.
type retryError struct{ after time.Duration }

func (e retryError) Error() string              { return fmt.Sprintf("full for %v", e.after) }
func (e retryError) GRPCStatus() *status.Status { return status.New(codes.Unavailable, e.Error()) }
func (e retryError) RetryAfter() time.Duration  { return e.after }
