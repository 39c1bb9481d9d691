package oiprpc

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shoal/serving/oip"
	"shoal/serving/oip/inferencepb"
	"shoal/tensor"
)

// requests are messages of all forms.
func requests(t testing.TB) (wires [][]byte) {
	t.Helper()
	all := []*inferencepb.ModelInferRequest{
		{},
		{ModelName: "m", ModelVersion: "3", Id: "é", RawInputContents: [][]byte{{1, 2, 3, 4}, nil}, Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{
			{Name: "x", Datatype: "FP32", Shape: []int64{1}}, {Name: "y", Datatype: "BYTES", Shape: []int64{0, -1, math.MaxInt64}},
		}},
		{Parameters: map[string]*inferencepb.InferParameter{
			"b": {ParameterChoice: &inferencepb.InferParameter_BoolParam{BoolParam: true}}, "i": {ParameterChoice: &inferencepb.InferParameter_Int64Param{Int64Param: -5}},
			"s": {ParameterChoice: &inferencepb.InferParameter_StringParam{StringParam: "v"}}, "d": {ParameterChoice: &inferencepb.InferParameter_DoubleParam{DoubleParam: 0.5}},
			"u": {ParameterChoice: &inferencepb.InferParameter_Uint64Param{Uint64Param: math.MaxUint64}}, "none": {},
		}},
		{Outputs: []*inferencepb.ModelInferRequest_InferRequestedOutputTensor{{Name: "a"}, {Name: "b", Parameters: map[string]*inferencepb.InferParameter{
			"classification": {ParameterChoice: &inferencepb.InferParameter_Int64Param{Int64Param: 2}},
		}}}},
		{Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{{Contents: &inferencepb.InferTensorContents{
			BoolContents: []bool{true, false}, IntContents: []int32{-1, 5, math.MinInt32}, Int64Contents: []int64{math.MinInt64, 7}, UintContents: []uint32{math.MaxUint32},
			Uint64Contents: []uint64{math.MaxUint64}, Fp32Contents: []float32{1.5, float32(math.Inf(1))}, Fp64Contents: []float64{math.Pi}, BytesContents: [][]byte{[]byte("a"), nil},
		}}}},
	}
	for _, m := range all {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		wires = append(wires, wire)
	}
	merged := slices.Concat(wires[4], wires[1])
	// Two contents of one input are merged, a scalar may be unpacked, and unknown fields and groups are skipped.
	contents := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 9)
	in := protowire.AppendBytes(protowire.AppendTag(nil, tensorContents, protowire.BytesType), contents)
	in = append(in, protowire.AppendBytes(protowire.AppendTag(nil, tensorContents, protowire.BytesType), contents)...)
	in = protowire.AppendVarint(protowire.AppendTag(in, tensorShape, protowire.VarintType), 4)
	in = protowire.AppendVarint(protowire.AppendTag(in, tensorName, protowire.VarintType), 4)
	group := protowire.AppendTag(protowire.AppendVarint(protowire.AppendTag(protowire.AppendTag(nil, 77, protowire.StartGroupType), 1, protowire.VarintType), 1), 77, protowire.EndGroupType)
	in = append(in, group...)
	return append(wires, merged, protowire.AppendBytes(protowire.AppendTag(nil, requestInputs, protowire.BytesType), in))
}

// FuzzRequest: the reader takes what the generated type takes, and reads the same.
func FuzzRequest(f *testing.F) {
	for _, wire := range requests(f) {
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		want := new(inferencepb.ModelInferRequest)
		refused := proto.Unmarshal(wire, want)
		got := new(inferRequest)
		err := got.read(wire)
		if err == errTooMany {
			t.Skip()
		}
		if (err == nil) != (refused == nil) {
			t.Fatalf("the reader says %v, the generated type %v", err, refused)
		}
		if err == nil {
			compare(t, got, want)
		}
	})
}

// TestRequestCut: what is cut off anywhere is read or refused as the generated type does.
func TestRequestCut(t *testing.T) {
	for _, wire := range requests(t) {
		for n := range wire {
			want := new(inferencepb.ModelInferRequest)
			refused := proto.Unmarshal(wire[:n], want)
			got := new(inferRequest)
			if err := got.read(wire[:n]); (err == nil) != (refused == nil) {
				t.Fatalf("%x: the reader says %v, the generated type %v", wire[:n], err, refused)
			} else if err == nil {
				compare(t, got, want)
			}
		}
	}
}

func compare(t *testing.T, got *inferRequest, want *inferencepb.ModelInferRequest) {
	t.Helper()
	if string(got.model) != want.ModelName || string(got.version) != want.ModelVersion || string(got.id) != want.Id {
		t.Errorf("names: %q %q %q", got.model, got.version, got.id)
	}
	compareParameters(t, got.parameters, want.Parameters)
	if len(got.inputs) != len(want.Inputs) || len(got.outputs) != len(want.Outputs) || !slices.EqualFunc(got.raw, want.RawInputContents, bytes.Equal) {
		t.Fatalf("%d inputs, %d outputs, %d raw contents; want %d, %d, %d",
			len(got.inputs), len(got.outputs), len(got.raw), len(want.Inputs), len(want.Outputs), len(want.RawInputContents))
	}
	for i, w := range want.Outputs {
		if string(got.outputs[i].name) != w.Name {
			t.Errorf("output %d: %q, want %q", i, got.outputs[i].name, w.Name)
		}
		compareParameters(t, got.outputs[i].parameters, w.Parameters)
	}
	for i, w := range want.Inputs {
		in := &got.inputs[i]
		if string(in.name) != w.Name || string(in.datatype) != w.Datatype || in.typed != (w.Contents != nil) {
			t.Errorf("input %d: %q %q %v, want %v", i, in.name, in.datatype, in.typed, w)
		}
		if shape := got.shapeOf(in); len(w.Shape) < maxDims && !slices.Equal(shape, w.Shape) {
			t.Errorf("input %d: shape %v, want %v", i, shape, w.Shape)
		}
		if w.Contents != nil {
			compareContents(t, in.contents, w.Contents)
		}
	}
}

func compareParameters(t *testing.T, got []parameter, want map[string]*inferencepb.InferParameter) {
	t.Helper()
	last := map[string]oip.Value{}
	for i := range got {
		last[string(got[i].key)] = got[i].value()
	}
	if len(last) != len(want) {
		t.Errorf("%d parameters, want %d", len(last), len(want))
	}
	for key, w := range want {
		v := last[key]
		same := false
		switch c := w.GetParameterChoice().(type) {
		case nil:
			same = v.Kind == oip.NoValue
		case *inferencepb.InferParameter_BoolParam:
			same = v == oip.Value{Kind: oip.Bool, Bool: c.BoolParam}
		case *inferencepb.InferParameter_Int64Param:
			same = v == oip.Value{Kind: oip.Int, Int: c.Int64Param}
		case *inferencepb.InferParameter_Uint64Param:
			same = v == oip.Value{Kind: oip.Uint, Uint: c.Uint64Param}
		case *inferencepb.InferParameter_StringParam:
			same = v == oip.Value{Kind: oip.String, String: c.StringParam}
		case *inferencepb.InferParameter_DoubleParam:
			same = v.Kind == oip.Double && math.Float64bits(v.Double) == math.Float64bits(c.DoubleParam)
		}
		if !same {
			t.Errorf("parameter %q: %+v, want %v", key, v, w)
		}
	}
}

// compareContents reads the elements by each of the types that hold all of a field's values.
func compareContents(t *testing.T, wire []byte, want *inferencepb.InferTensorContents) {
	t.Helper()
	bools := make([]byte, len(want.BoolContents))
	for i, b := range want.BoolContents {
		if b {
			bools[i] = 1
		}
	}
	for d, values := range map[tensor.DType]any{
		tensor.Bool: bools, tensor.Int32: want.IntContents, tensor.Int64: want.Int64Contents, tensor.Uint32: want.UintContents,
		tensor.Uint64: want.Uint64Contents, tensor.Float32: want.Fp32Contents, tensor.Float64: want.Fp64Contents,
	} {
		var elements []byte
		elements, err := binary.Append(elements, binary.LittleEndian, values)
		if err != nil {
			t.Fatal(err)
		}
		f := contentsFields[d]
		n, packed := f.Count(wire)
		if n*d.Size() != len(elements) {
			t.Errorf("%v: %d elements, want %d", d, n, len(elements)/d.Size())
			continue
		}
		got := make([]byte, len(elements))
		if filled, err := f.Read(got, d, wire); err != nil || filled != len(got) || !bytes.Equal(got, elements) {
			t.Errorf("%v: %x, %v; want %x", d, got, err, elements)
		}
		if packed != nil && f.Wire != protowire.VarintType && !bytes.Equal(packed, elements) {
			t.Errorf("%v in place: %x, want %x", d, packed, elements)
		}
	}
	if n, _ := contentsFields[tensor.String].Count(wire); n != len(want.BytesContents) {
		t.Errorf("%d strings, want %d", n, len(want.BytesContents))
	}
}
