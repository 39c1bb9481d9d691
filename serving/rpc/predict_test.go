package rpc

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"shoal/serving/rpc/rpctest"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

type protos = map[string]*tensor_go_proto.TensorProto

func predictRequestOf(model, sig string, inputs protos, filter ...string) *apis_go_proto.PredictRequest {
	return &apis_go_proto.PredictRequest{
		ModelSpec: &apis_go_proto.ModelSpec{Name: model, SignatureName: sig}, Inputs: inputs, OutputFilter: filter,
	}
}

func call(t testing.TB, conn *grpc.ClientConn, req *apis_go_proto.PredictRequest) (*apis_go_proto.PredictResponse, error) {
	resp := new(apis_go_proto.PredictResponse)
	err := rpctest.Call(t.Context(), conn, "Predict", req, resp)
	return resp, err
}

func TestPredictErrors(t *testing.T) {
	conn := start(t, Options{Core: newCore(), MaxRequestBytes: 1 << 20})
	x := floatProto([]int64{1}, 1)
	many := make([]int64, 255)
	for i := range many {
		many[i] = 1
	}
	for name, c := range map[string]struct {
		req  *apis_go_proto.PredictRequest
		code codes.Code
		text string
	}{
		"no spec":       {&apis_go_proto.PredictRequest{}, codes.InvalidArgument, "Missing ModelSpec"},
		"no name":       {predictRequestOf("", "", nil), codes.InvalidArgument, "ModelSpec has no name specified."},
		"unknown model": {predictRequestOf("nope", "", nil), codes.NotFound, "Servable not found for request: Latest(nope)"},
		"signature":     {predictRequestOf("identity", "no\"pe", nil), codes.FailedPrecondition, `Serving signature key "no\"pe" not found.`},
		"no default":    {predictRequestOf("identity", "", nil), codes.FailedPrecondition, `Serving signature key "serving_default" not found.`},
		"no inputs": {predictRequestOf("half_plus_two", "", nil), codes.InvalidArgument,
			"input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}."},
		"another input": {predictRequestOf("half_plus_two", "", protos{"z": x}), codes.InvalidArgument,
			"Signature input alias: x(feed name: serving_default_x:0) not found in request and no default value provided. Inputs expected to be in the request {z}, or default input alias set: "},
		"wrong type": {predictRequestOf("half_plus_two", "", protos{"x": tensorProto(tensor.Int32, 1)}), codes.InvalidArgument,
			"Expects arg[0] to be float but int32 is provided"},
		"wrong type of several": {predictRequestOf("multi", "", protos{"a": x, "b": tensorProto(tensor.Int32, 1), "s": tensorProto(tensor.String, 1)}), codes.InvalidArgument,
			`Expects arg[1] to be int64 but int32 is provided (input "b")`},
		"no type":         {predictRequestOf("half_plus_two", "", protos{"x": {}}), codes.InvalidArgument, "tensor parsing error: x"},
		"unservable type": {predictRequestOf("half_plus_two", "", protos{"x": tensorProto(20, 1)}), codes.InvalidArgument, "tensor parsing error: x"},
		"overflow": {predictRequestOf("half_plus_two", "", protos{"x": tensorProto(tensor.Float32, math.MaxInt32, math.MaxInt32, 8)}),
			codes.InvalidArgument, "tensor parsing error: x"},
		"overflow, then 0": {predictRequestOf("half_plus_two", "", protos{"x": tensorProto(tensor.Float32, math.MaxInt64, 2, 0)}),
			codes.InvalidArgument, "tensor parsing error: x"},
		"too many dimensions": {predictRequestOf("half_plus_two", "", protos{"x": tensorProto(tensor.Float32, many...)}),
			codes.InvalidArgument, "tensor parsing error: x"},
		"huge": {predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{1 << 60}, 1)}), codes.InvalidArgument,
			"tensor parsing error: x: a tensor of shape [1152921504606846976] and type float needs more than the 1048576 bytes that are left to this request (--max_request_bytes)"},
		"huge strings": {predictRequestOf("identity", "string", protos{"x": tensorProto(tensor.String, 1<<40)}), codes.InvalidArgument,
			"tensor parsing error: x: a tensor of shape [1099511627776] and type string needs more than the 1048576 bytes that are left to this request (--max_request_bytes)"},
		"duplicate filter": {predictRequestOf("half_plus_two", "", protos{"x": x}, "y", "y"), codes.InvalidArgument, "duplicate output tensor alias: y"},
		"unknown filter": {predictRequestOf("nonbatch", "", protos{"x": x}, "y", "q"), codes.InvalidArgument,
			"output tensor alias not found in signature: q Outputs expected to be in the set {total,y}."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := call(t, conn, c.req)
			servingtest.WantStatus(t, err, c.code, c.text)
		})
	}
}

func TestPredictVersions(t *testing.T) {
	conn := start(t, Options{Core: newCore()})
	req := predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{1}, 2)})
	for name, c := range map[string]struct {
		spec *apis_go_proto.ModelSpec
		want int64
		text string
	}{
		"latest":  {&apis_go_proto.ModelSpec{}, 2, ""},
		"number":  {&apis_go_proto.ModelSpec{VersionChoice: &apis_go_proto.ModelSpec_Version{Version: wrapperspb.Int64(1)}}, 1, ""},
		"zero":    {&apis_go_proto.ModelSpec{VersionChoice: &apis_go_proto.ModelSpec_Version{Version: wrapperspb.Int64(0)}}, 0, "Servable not found for request: Specific(half_plus_two, 0)"},
		"label":   {&apis_go_proto.ModelSpec{VersionChoice: &apis_go_proto.ModelSpec_VersionLabel{VersionLabel: "stable"}}, 1, ""},
		"unknown": {&apis_go_proto.ModelSpec{VersionChoice: &apis_go_proto.ModelSpec_VersionLabel{VersionLabel: "nope"}}, 0, "Unrecognized servable version label: nope"},
		"empty":   {&apis_go_proto.ModelSpec{VersionChoice: &apis_go_proto.ModelSpec_VersionLabel{}}, 0, "Unrecognized servable version label: "},
	} {
		c.spec.Name = "half_plus_two"
		req.ModelSpec = c.spec
		resp, err := call(t, conn, req)
		if status.Convert(err).Message() != c.text || resp.GetModelSpec().GetVersion().GetValue() != c.want {
			t.Errorf("%s: got %v, %v", name, resp, err)
		}
	}
}

// Every element type goes in by its typed field and by tensor_content, and comes out in the form the server is set to.
func TestPredictTypes(t *testing.T) {
	bits := func(v ...float32) []byte { return servingtest.Floats(nil, v...).Data }
	for name, c := range map[string]struct {
		typed   *tensor_go_proto.TensorProto
		content []byte
	}{
		"float32":    {&tensor_go_proto.TensorProto{FloatVal: []float32{1.5, float32(math.Inf(-1))}}, bits(1.5, float32(math.Inf(-1)))},
		"float64":    {&tensor_go_proto.TensorProto{DoubleVal: []float64{1, -2}}, []byte("\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\xc0")},
		"float16":    {&tensor_go_proto.TensorProto{HalfVal: []int32{0x3c00, 0xffff}}, []byte("\x00\x3c\xff\xff")},
		"bfloat16":   {&tensor_go_proto.TensorProto{HalfVal: []int32{0x3fc0, 1}}, []byte("\xc0\x3f\x01\x00")},
		"int8":       {&tensor_go_proto.TensorProto{IntVal: []int32{-128, 127}}, []byte("\x80\x7f")},
		"int16":      {&tensor_go_proto.TensorProto{IntVal: []int32{-2, 300}}, []byte("\xfe\xff\x2c\x01")},
		"int32":      {&tensor_go_proto.TensorProto{IntVal: []int32{math.MinInt32, 7}}, []byte("\x00\x00\x00\x80\x07\x00\x00\x00")},
		"int64":      {&tensor_go_proto.TensorProto{Int64Val: []int64{math.MinInt64, 1}}, []byte("\x00\x00\x00\x00\x00\x00\x00\x80\x01\x00\x00\x00\x00\x00\x00\x00")},
		"uint8":      {&tensor_go_proto.TensorProto{IntVal: []int32{255, 0}}, []byte("\xff\x00")},
		"uint16":     {&tensor_go_proto.TensorProto{IntVal: []int32{65535, 1}}, []byte("\xff\xff\x01\x00")},
		"uint32":     {&tensor_go_proto.TensorProto{Uint32Val: []uint32{math.MaxUint32, 1}}, []byte("\xff\xff\xff\xff\x01\x00\x00\x00")},
		"uint64":     {&tensor_go_proto.TensorProto{Uint64Val: []uint64{math.MaxUint64, 1}}, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00")},
		"bool":       {&tensor_go_proto.TensorProto{BoolVal: []bool{true, false}}, []byte{1, 0}},
		"string":     {&tensor_go_proto.TensorProto{StringVal: [][]byte{[]byte("a\x00\xff"), {}}}, []byte("\x03\x00a\x00\xff")},
		"complex64":  {&tensor_go_proto.TensorProto{ScomplexVal: []float32{1, 2, 3, 4}}, bits(1, 2, 3, 4)},
		"complex128": {&tensor_go_proto.TensorProto{DcomplexVal: []float64{0, 0, 1, 0}}, append(make([]byte, 16), "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\x00"...)},
	} {
		header := tensorProto(identityTypes[name], 2, 1)
		c.typed.Dtype, c.typed.TensorShape = header.Dtype, header.TensorShape
		header.TensorContent = c.content
		for _, asContent := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/content=%v", name, asContent), func(t *testing.T) {
				conn := start(t, Options{Core: newCore(), SerializeAsTensorContent: asContent})
				want := c.typed
				if asContent {
					want = header
				}
				for _, in := range []*tensor_go_proto.TensorProto{c.typed, header} {
					resp, err := call(t, conn, predictRequestOf("identity", name, protos{"x": in}))
					if err != nil || !proto.Equal(resp.GetOutputs()["y"], want) {
						t.Errorf("got %v, %v; want %v", resp.GetOutputs()["y"], err, want)
					}
				}
			})
		}
	}
}

func TestPredictFilterSelects(t *testing.T) {
	conn := start(t, Options{Core: newCore()})
	resp, err := call(t, conn, predictRequestOf("nonbatch", "", protos{"x": floatProto([]int64{2}, 1)}, "total"))
	if err != nil || len(resp.Outputs) != 1 || resp.Outputs["total"].GetFloatVal()[0] != 2 {
		t.Errorf("got %v, %v", resp, err)
	}
}

// An input that the model has a default for need not be sent; a name that stands for none of the inputs is refused.
func TestPredictDefaults(t *testing.T) {
	c := newCore()
	c.Loaded["nonbatch"][1].add("sum", predictMethod, map[string]tensor.DType{"a": tensor.Float32, "b": tensor.Float32}, floatY,
		func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
			return []tensor.Tensor{servingtest.Floats(tensor.Shape{}, servingtest.Values(in[0])[0]+servingtest.Values(in[1])[0])}, nil
		})
	forty := servingtest.Floats(tensor.Shape{}, 40)
	c.Loaded["nonbatch"][1].Signatures["sum"].Inputs[1].Default = &forty
	conn := start(t, Options{Core: c})
	two := floatProto(nil, 2)
	for name, in := range map[string]struct {
		inputs protos
		want   float32
		text   string
	}{
		"default":  {protos{"a": two}, 42, ""},
		"both":     {protos{"a": two, "b": two}, 4, ""},
		"required": {protos{"b": two}, 0, "Signature input alias: a(feed name: sum_a:0) not found in request and no default value provided. Inputs expected to be in the request {b}, or default input alias set: b"},
		"strange":  {protos{"a": two, "z": two}, 0, "Inputs contains invalid name. Used request inputs: a, request input: a,z"},
	} {
		resp, err := call(t, conn, predictRequestOf("nonbatch", "sum", in.inputs))
		if in.text != "" {
			servingtest.WantStatus(t, err, codes.InvalidArgument, in.text)
		} else if err != nil || resp.Outputs["y"].FloatVal[0] != in.want {
			t.Errorf("%s: got %v, %v", name, resp, err)
		}
	}
}

func TestMethodNameCheck(t *testing.T) {
	c := newCore()
	c.Loaded["scalar"][1].add("odd", "my/method", floatX, floatY, nil)
	conn := start(t, Options{Core: c, CheckMethodName: true})
	_, err := call(t, conn, predictRequestOf("scalar", "odd", nil))
	servingtest.WantStatus(t, err, codes.Internal, "Expected prediction signature method_name to be one of {tensorflow/serving/predict, tensorflow/serving/classify, tensorflow/serving/regress}. Was: my/method")
	if _, err := call(t, conn, predictRequestOf("scalar", "", protos{"x": floatProto(nil, 2)})); err != nil {
		t.Error(err)
	}
}

// rawMessage sends bytes as they are.
func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return v.(rawMessage), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	return proto.Unmarshal(data, v.(proto.Message))
}

// What protobuf merges is merged here too: split messages, repeated map keys, unknown fields.
// The client's deadline is the request's; without one the server's default is.
// A client that leaves ends the call's context; one that runs out of time gets DEADLINE_EXCEEDED.
