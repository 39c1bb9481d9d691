package rpc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"shoal/serving/rpc/rpctest"
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
			`Expects arg[0] to be float but int32 is provided: input "x"`},
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
			wantStatus(t, err, c.code, c.text)
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
	bits := func(v ...float32) []byte { return floats(nil, v...).Data }
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
	c.versions["nonbatch"][1].add("sum", predictMethod, map[string]tensor.DType{"a": tensor.Float32, "b": tensor.Float32}, floatY,
		func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
			return []tensor.Tensor{floats(tensor.Shape{}, values(in[0])[0]+values(in[1])[0])}, nil
		})
	c.versions["nonbatch"][1].meta.SignatureDef["sum"].Defaults = protos{"b": floatProto(nil, 40)}
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
			wantStatus(t, err, codes.InvalidArgument, in.text)
		} else if err != nil || resp.Outputs["y"].FloatVal[0] != in.want {
			t.Errorf("%s: got %v, %v", name, resp, err)
		}
	}
}

func TestMethodNameCheck(t *testing.T) {
	c := newCore()
	c.versions["scalar"][1].add("odd", "my/method", floatX, floatY, nil)
	conn := start(t, Options{Core: c, CheckMethodName: true})
	_, err := call(t, conn, predictRequestOf("scalar", "odd", nil))
	wantStatus(t, err, codes.Internal, "Expected prediction signature method_name to be one of {tensorflow/serving/predict, tensorflow/serving/classify, tensorflow/serving/regress}. Was: my/method")
	if _, err := call(t, conn, predictRequestOf("scalar", "", protos{"x": floatProto(nil, 2)})); err != nil {
		t.Error(err)
	}
}

// rawMessage sends bytes as they are.
type rawMessage []byte

type rawCodec struct{}

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return v.(rawMessage), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	return proto.Unmarshal(data, v.(proto.Message))
}

// What protobuf merges is merged here too: split messages, repeated map keys, unknown fields.
func TestPredictWireForms(t *testing.T) {
	conn := start(t, Options{Core: newCore()})
	send := func(wire []byte) (*apis_go_proto.PredictResponse, error) {
		resp := new(apis_go_proto.PredictResponse)
		err := conn.Invoke(t.Context(), "/tensorflow.serving.PredictionService/Predict", rawMessage(wire), resp, grpc.ForceCodec(rawCodec{}))
		return resp, err
	}
	marshal := func(m proto.Message) []byte {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	stale := marshal(&apis_go_proto.PredictRequest{Inputs: protos{"x": floatProto([]int64{1}, 100)}})
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7)

	// One entry whose value comes in two parts, unpacked: merged they are a shape of [2] and the values 1, 2.
	part := func(v float32, withType bool) []byte {
		var p []byte
		if withType {
			p = marshal(tensorProto(tensor.Float32, 2))
		}
		p = protowire.AppendTag(p, 5, protowire.Fixed32Type)
		return protowire.AppendFixed32(p, math.Float32bits(v))
	}
	entry := protowire.AppendTag(nil, 2, protowire.BytesType)
	entry = protowire.AppendBytes(entry, part(1, true))
	entry = protowire.AppendTag(entry, 1, protowire.BytesType)
	entry = protowire.AppendString(entry, "x")
	entry = protowire.AppendTag(entry, 2, protowire.BytesType)
	entry = protowire.AppendBytes(entry, part(2, false))
	wire := append(marshal(predictRequestOf("half_plus_two", "", nil)), unknown...)
	wire = append(wire, stale...)
	wire = protowire.AppendBytes(protowire.AppendTag(wire, 2, protowire.BytesType), entry)
	wire = append(wire, marshal(&apis_go_proto.PredictRequest{ModelSpec: &apis_go_proto.ModelSpec{SignatureName: "serving_default"}})...)

	resp, err := send(wire)
	if err != nil || !proto.Equal(resp.Outputs["y"], floatProto([]int64{2}, 3.5, 4)) {
		t.Errorf("got %v, %v", resp, err)
	}
	for n := range wire {
		if _, err := send(wire[:n]); status.Code(err) == codes.Unavailable {
			t.Fatalf("the first %d bytes broke the connection: %v", n, err)
		}
	}
	_, err = send([]byte("\x12\x03\x0a\x01\xff"))
	if st := status.Convert(err); st.Code() != codes.Internal || !strings.Contains(st.Message(), "UTF-8") {
		t.Errorf("invalid UTF-8 in a key: %v", err)
	}
}

// The client's deadline is the request's; without one the server's default is.
func TestPredictDeadline(t *testing.T) {
	c := newCore()
	var got time.Time
	c.versions["scalar"][1].add("when", predictMethod, floatX, floatY, func(_ context.Context, in []tensor.Tensor, deadline time.Time) ([]tensor.Tensor, error) {
		got = deadline
		return in, nil
	})
	req := predictRequestOf("scalar", "when", protos{"x": floatProto(nil, 1)})
	for _, c2 := range []struct {
		client, server time.Duration
		want           time.Duration // 0: no deadline
	}{{0, 0, 0}, {time.Hour, 0, time.Hour}, {0, time.Minute, time.Minute}, {time.Hour, time.Minute, time.Hour}} {
		conn := start(t, Options{Core: c, DefaultTimeout: c2.server})
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if c2.client > 0 {
			ctx, cancel = context.WithTimeout(ctx, c2.client)
		}
		before := time.Now()
		err := rpctest.Call(ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse))
		after := time.Now()
		cancel()
		switch {
		case err != nil:
			t.Error(err)
		case c2.want == 0 && !got.IsZero():
			t.Errorf("%v: deadline %v", c2, got)
		// gRPC rounds a timeout up to a unit of the wire, of which an hour has at most 8 digits: 100 µs.
		case c2.want > 0 && (got.Before(before.Add(c2.want-time.Second)) || got.After(after.Add(c2.want+time.Second))):
			t.Errorf("%v: deadline is %v from the call", c2, got.Sub(before))
		}
	}
}

// A client that leaves ends the call's context; one that runs out of time gets DEADLINE_EXCEEDED.
func TestPredictCancelled(t *testing.T) {
	c := newCore()
	entered, left := make(chan struct{}, 1), make(chan error, 1)
	c.versions["scalar"][1].add("wait", predictMethod, floatX, floatY, func(ctx context.Context, _ []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		entered <- struct{}{}
		<-ctx.Done()
		left <- ctx.Err()
		return nil, ctx.Err()
	})
	conn := start(t, Options{Core: c})
	req := predictRequestOf("scalar", "wait", protos{"x": floatProto(nil, 1)})

	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if err := rpctest.Call(ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse)); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the servable saw %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := rpctest.Call(ctx, conn, "Predict", req, new(apis_go_proto.PredictResponse)); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	<-entered
	<-left
}
