package oiprpc

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/serving/oip"
	"shoal/serving/oip/inferencepb"
	"shoal/serving/rpc"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

// typedContents are two elements of each type that has contents.
var typedContents = map[tensor.DType]*inferencepb.InferTensorContents{
	tensor.Bool: {BoolContents: []bool{true, false}}, tensor.Int8: {IntContents: []int32{-128, 127}}, tensor.Int16: {IntContents: []int32{-32768, 1}},
	tensor.Int32: {IntContents: []int32{-1, 1 << 30}}, tensor.Int64: {Int64Contents: []int64{-1, 1 << 60}}, tensor.Uint8: {UintContents: []uint32{0, 255}},
	tensor.Uint16: {UintContents: []uint32{1, 65535}}, tensor.Uint32: {UintContents: []uint32{1, 1<<32 - 1}}, tensor.Uint64: {Uint64Contents: []uint64{1, 1<<64 - 1}},
	tensor.Float32: {Fp32Contents: []float32{0.5, -0.25}}, tensor.Float64: {Fp64Contents: []float64{0.1, 3}}, tensor.String: {BytesContents: [][]byte{[]byte("a\xff"), {}}},
}

// rawContents are two elements of each type.
var rawContents = map[tensor.DType]string{
	tensor.Bool: "\x01\x00", tensor.Int8: "\x80\x7f", tensor.Int16: "\x00\x80\x01\x00", tensor.Int32: "\xff\xff\xff\xff\x00\x00\x00\x40",
	tensor.Int64: "\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x10", tensor.Uint8: "\x00\xff", tensor.Uint16: "\x01\x00\xff\xff",
	tensor.Uint32: "\x01\x00\x00\x00\xff\xff\xff\xff", tensor.Uint64: "\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
	tensor.Float16: "\x00\x38\x00\xb4", tensor.BFloat16: "\x00\x3f\x80\xbe", tensor.Float32: "\x00\x00\x00\x3f\x00\x00\x80\xbe",
	tensor.Float64: "\x9a\x99\x99\x99\x99\x99\xb9\x3f\x00\x00\x00\x00\x00\x00\x08\x40", tensor.String: "\x02\x00\x00\x00a\xff\x00\x00\x00\x00",
}

// TestInferDatatypes: every type goes in and comes out, raw and in typed contents, and the answer has the request's form.
func TestInferDatatypes(t *testing.T) {
	conn := start(t, newCore(), rpc.Options{})
	for _, d := range dtypes {
		name := oip.Datatype(d)
		want := func(out *inferencepb.ModelInferResponse_InferOutputTensor, raw ...[]byte) *inferencepb.ModelInferResponse {
			out.Name, out.Datatype, out.Shape = "y", name, []int64{1, 2}
			return &inferencepb.ModelInferResponse{
				ModelName: d.String(), ModelVersion: "1", Id: "7", RawOutputContents: raw, Outputs: []*inferencepb.ModelInferResponse_InferOutputTensor{out},
			}
		}
		in := func(contents *inferencepb.InferTensorContents) []*inferencepb.ModelInferRequest_InferInputTensor {
			return []*inferencepb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: name, Shape: []int64{1, 2}, Contents: contents}}
		}
		t.Run(name+" raw", func(t *testing.T) {
			raw := []byte(rawContents[d])
			got, err := infer(t, conn, &inferencepb.ModelInferRequest{ModelName: d.String(), Id: "7", Inputs: in(nil), RawInputContents: [][]byte{raw}})
			if err != nil {
				t.Fatal(err)
			}
			if want := want(&inferencepb.ModelInferResponse_InferOutputTensor{}, raw); !proto.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
		t.Run(name+" typed", func(t *testing.T) {
			contents := typedContents[d]
			if contents == nil {
				_, err := infer(t, conn, &inferencepb.ModelInferRequest{ModelName: d.String(), Inputs: in(&inferencepb.InferTensorContents{})})
				servingtest.WantStatus(t, err, codes.InvalidArgument, "input 'x' of datatype "+name+" for model '"+d.String()+"' must be sent in raw_input_contents")
				return
			}
			got, err := infer(t, conn, &inferencepb.ModelInferRequest{ModelName: d.String(), Id: "7", Inputs: in(contents)})
			if err != nil {
				t.Fatal(err)
			}
			if want := want(&inferencepb.ModelInferResponse_InferOutputTensor{Contents: contents}); !proto.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

// floats is an input of the pair's.
func floats(name string) *inferencepb.ModelInferRequest_InferInputTensor {
	return &inferencepb.ModelInferRequest_InferInputTensor{
		Name: name, Datatype: "FP32", Shape: []int64{1, 2}, Contents: &inferencepb.InferTensorContents{Fp32Contents: []float32{1, 2}},
	}
}

func number(n int64) *inferencepb.InferParameter {
	return &inferencepb.InferParameter{ParameterChoice: &inferencepb.InferParameter_Int64Param{Int64Param: n}}
}

func word(s string) *inferencepb.InferParameter {
	return &inferencepb.InferParameter{ParameterChoice: &inferencepb.InferParameter_StringParam{StringParam: s}}
}

func TestInferErrors(t *testing.T) {
	conn := start(t, newCore(), rpc.Options{})
	raw := func(name string) *inferencepb.ModelInferRequest_InferInputTensor {
		in := floats(name)
		in.Contents = nil
		return in
	}
	for _, tt := range []struct {
		name   string
		change func(*inferencepb.ModelInferRequest)
		code   codes.Code
		text   string
	}{
		{"no such model", func(r *inferencepb.ModelInferRequest) { r.ModelName = "nope" }, codes.NotFound, "Request for unknown model: 'nope' is not found"},
		{"no such version", func(r *inferencepb.ModelInferRequest) { r.ModelVersion = "9" }, codes.NotFound, "Request for unknown model: 'pair' version 9 is not found"},
		{"no such label", func(r *inferencepb.ModelInferRequest) { r.ModelVersion = "nope" }, codes.NotFound, "Request for unknown model: 'pair' version nope is not found"},
		{"a version and a label", func(r *inferencepb.ModelInferRequest) {
			r.ModelVersion, r.Parameters = "1", map[string]*inferencepb.InferParameter{"version_label": word("stable")}
		}, codes.InvalidArgument, "the version and the parameter 'version_label' exclude each other: send one of them"},
		{"no such signature", func(r *inferencepb.ModelInferRequest) {
			r.Parameters = map[string]*inferencepb.InferParameter{"signature_name": word("nope")}
		}, codes.InvalidArgument, `model 'pair' has no signature "nope": name one of {other,serving_default} in the parameter 'signature_name'`},
		{"reserved", func(r *inferencepb.ModelInferRequest) {
			r.Parameters = map[string]*inferencepb.InferParameter{"triton_x": number(1)}
		}, codes.InvalidArgument, "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."},
		{"no such input", func(r *inferencepb.ModelInferRequest) { r.Inputs = append(r.Inputs, floats("c")) }, codes.InvalidArgument, "unexpected inference input 'c' for model 'pair'"},
		{"twice", func(r *inferencepb.ModelInferRequest) { r.Inputs = append(r.Inputs, floats("a")) }, codes.InvalidArgument,
			"an input is given twice for model 'pair'. Got input(s) ['a','a']"},
		{"missing", func(r *inferencepb.ModelInferRequest) {
			r.Inputs = []*inferencepb.ModelInferRequest_InferInputTensor{floats("b")}
		}, codes.InvalidArgument,
			"expected 2 inputs but got 1 inputs for model 'pair'. Got input(s) ['b'], but missing required input(s) ['a']. Please provide all required input(s)."},
		{"another type", func(r *inferencepb.ModelInferRequest) { r.Inputs[0].Datatype = "INT32" }, codes.InvalidArgument,
			"inference input 'a' data-type is 'INT32', but model 'pair' expects 'FP32'"},
		{"another field", func(r *inferencepb.ModelInferRequest) {
			r.Inputs[0].Contents = &inferencepb.InferTensorContents{IntContents: []int32{1, 2}}
		}, codes.InvalidArgument,
			"unexpected explicit tensor data for input tensor 'a' for model 'pair' of type 'INT32', expected datatype 'FP32'"},
		{"too few", func(r *inferencepb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 3} }, codes.InvalidArgument,
			"unexpected size for input 'a', expecting 12 bytes for model 'pair'"},
		{"both", func(r *inferencepb.ModelInferRequest) { r.RawInputContents = [][]byte{make([]byte, 8)} }, codes.InvalidArgument,
			"contents field must not be specified when using raw_input_contents for 'a' for model 'pair'"},
		{"neither", func(r *inferencepb.ModelInferRequest) { r.Inputs[0] = raw("a") }, codes.InvalidArgument,
			"unable to find data for input tensor 'a' for model 'pair' in request."},
		{"raw, too short", func(r *inferencepb.ModelInferRequest) {
			r.Inputs[0], r.RawInputContents = raw("a"), [][]byte{make([]byte, 4)}
		}, codes.InvalidArgument, "unexpected size for input 'a', expecting 8 bytes for model 'pair'"},
		{"raw, too many", func(r *inferencepb.ModelInferRequest) {
			r.Inputs[0], r.RawInputContents = raw("a"), [][]byte{make([]byte, 8), nil}
		}, codes.InvalidArgument, "raw_input_contents has 2 entries, expected one for each of the 1 inputs for model 'pair'"},
		{"no such output", func(r *inferencepb.ModelInferRequest) {
			r.Outputs = []*inferencepb.ModelInferRequest_InferRequestedOutputTensor{{Name: "z"}}
		}, codes.InvalidArgument, "unexpected inference output 'z' for model 'pair'"},
		{"shared memory", func(r *inferencepb.ModelInferRequest) {
			r.Inputs[0].Parameters = map[string]*inferencepb.InferParameter{"shared_memory_region": word("r")}
		}, codes.InvalidArgument, "shared memory is not supported: send tensors in the request"},
		{"an impossible shape", func(r *inferencepb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1 << 40, 1 << 40} }, codes.InvalidArgument,
			"invalid shape [1099511627776,1099511627776] of input 'a' for model 'pair'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := &inferencepb.ModelInferRequest{ModelName: "pair", Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{floats("a")}}
			tt.change(req)
			_, err := infer(t, conn, req)
			servingtest.WantStatus(t, err, tt.code, tt.text)
		})
	}
	_, err := infer(t, conn, &inferencepb.ModelInferRequest{ModelName: "int8", Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{
		{Name: "x", Datatype: "INT8", Shape: []int64{1, 1}, Contents: &inferencepb.InferTensorContents{IntContents: []int32{128}}},
	}})
	servingtest.WantStatus(t, err, codes.InvalidArgument, "input 'x' for model 'int8': 128 at index 0 is out of the range of int8")
}

// TestInferOutputs: requested outputs, the model's default for what is not sent, another signature, a label, classification.
func TestInferOutputs(t *testing.T) {
	conn := start(t, newCore(), rpc.Options{})
	req := func() *inferencepb.ModelInferRequest {
		return &inferencepb.ModelInferRequest{ModelName: "pair", Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{floats("a")}}
	}
	all, err := infer(t, conn, req())
	if err != nil || len(all.Outputs) != 2 || all.ModelVersion != "2" || all.Outputs[1].Contents.Fp32Contents[1] != 9 {
		t.Fatalf("all outputs: %v, %v", all, err)
	}
	one := req()
	one.Outputs = []*inferencepb.ModelInferRequest_InferRequestedOutputTensor{{Name: "q"}, {Name: "q"}}
	if got, err := infer(t, conn, one); err != nil || len(got.Outputs) != 1 || got.Outputs[0].Name != "q" {
		t.Errorf("one output: %v, %v", got, err)
	}
	for key, version := range map[string]string{"stable": "1", "": "2"} {
		other := req()
		other.Parameters = map[string]*inferencepb.InferParameter{"signature_name": word("other"), "priority": number(1), "unknown": number(1)}
		if key != "" {
			other.Parameters["version_label"] = word(key)
		}
		if got, err := infer(t, conn, other); err != nil || len(got.Outputs) != 1 || got.ModelVersion != version {
			t.Errorf("signature other of label %q: %v, %v", key, got, err)
		}
	}
	top := req()
	top.Outputs = []*inferencepb.ModelInferRequest_InferRequestedOutputTensor{{Name: "q", Parameters: map[string]*inferencepb.InferParameter{"classification": number(1)}}, {Name: "p"}}
	got, err := infer(t, conn, top)
	if err != nil || got.Outputs[0].Datatype != "BYTES" || string(got.Outputs[0].Contents.BytesContents[0]) != "9.000000:1" || got.Outputs[1].Datatype != "FP32" {
		t.Errorf("classification: %v, %v", got, err)
	}
}

// TestInferTimeout: the parameter is a deadline in microseconds.
func TestInferTimeout(t *testing.T) {
	c := newCore()
	var deadline time.Time
	c.Loaded["pair"][2].Compute = func(_ context.Context, e batcher.Entry) ([]tensor.Tensor, error) {
		deadline = e.Deadline
		return e.Inputs, nil
	}
	conn := start(t, c, rpc.Options{})
	before := time.Now()
	req := &inferencepb.ModelInferRequest{
		ModelName: "pair", Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{floats("a")}, Parameters: map[string]*inferencepb.InferParameter{"timeout": number(3600e6)},
	}
	if _, err := infer(t, conn, req); err != nil {
		t.Fatal(err)
	}
	if deadline.Before(before.Add(time.Hour)) || deadline.After(time.Now().Add(time.Hour)) {
		t.Errorf("deadline %v, in an hour from %v", deadline, before)
	}
}

// TestInferBudget: what a request holds comes back, and one that does not fit is refused.
func TestInferBudget(t *testing.T) {
	budget := tensor.NewBudget(8 << 20)
	conn := start(t, newCore(), rpc.Options{Budget: budget})
	send := func(bytes int) error {
		_, err := infer(t, conn, &inferencepb.ModelInferRequest{ModelName: "uint8", RawInputContents: [][]byte{make([]byte, bytes)},
			Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "UINT8", Shape: []int64{1, int64(bytes)}}}})
		return err
	}
	for range 20 {
		if err := send(1 << 20); err != nil {
			t.Fatal(err)
		}
	}
	if err := send(7 << 20); err == nil || !strings.Contains(err.Error(), "--max_inflight_bytes") {
		t.Errorf("a request beyond the budget: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); budget.Used() != 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are still held", budget.Used())
		}
		time.Sleep(time.Millisecond)
	}
}
