package oip_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/oip"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

var servingError = status.Error(codes.Unavailable, "no such op")

func TestDatatypes(t *testing.T) {
	for d := tensor.DType(0); d < 30; d++ {
		name := oip.Datatype(d)
		if name == "" {
			if d.Known() && d != tensor.Complex64 && d != tensor.Complex128 {
				t.Errorf("%v has no name", d)
			}
			continue
		}
		if back, ok := oip.DType(name); !ok || back != d {
			t.Errorf("%v is %s, and that is %v", d, name, back)
		}
	}
	if _, ok := oip.DType("COMPLEX64"); ok {
		t.Error("the protocol has no complex numbers")
	}
}

func TestParameters(t *testing.T) {
	var s oip.Settings
	for key, v := range map[string]oip.Value{
		"signature_name": {Kind: oip.String, String: "wide"}, "version_label": {Kind: oip.String, String: "stable"},
		"timeout": {Kind: oip.Int, Int: 1500}, "priority": {Kind: oip.Uint, Uint: 2}, "binary_data_output": {Kind: oip.Bool, Bool: true},
		"sequence_id": {Kind: oip.String, String: "a"}, "sequence_start": {Kind: oip.Bool}, "headers": {Kind: oip.Double}, "anything": {Kind: oip.Bool},
		"triton_enable_empty_final_response": {Kind: oip.Bool, Bool: true},
	} {
		if err := s.Set(key, v); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if want := (oip.Settings{Signature: "wide", Label: "stable", Timeout: 1500 * time.Microsecond, Priority: 2, BinaryOutput: true, FinalMarker: true}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	for _, tt := range []struct {
		key  string
		v    oip.Value
		text string
	}{
		{"triton_x", oip.Value{Kind: oip.Bool}, "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."},
		{"priority", oip.Value{Kind: oip.Int, Int: -1}, "invalid value for 'priority', expected value >= 0."},
		{"priority", oip.Value{Kind: oip.String}, "invalid value type for 'priority' parameter, expected int64_param or uint64_param."},
		{"timeout", oip.Value{Kind: oip.Double, Double: 1.5}, "invalid value type for 'timeout' parameter, expected int64_param or uint64_param."},
		{"sequence_id", oip.Value{}, "invalid value type for 'sequence_id' parameter, expected int64_param or string_param."},
		{"sequence_end", oip.Value{Kind: oip.Int}, "invalid value type for 'sequence_end' parameter, expected bool_param."},
		{"signature_name", oip.Value{Kind: oip.Int}, "invalid value type for 'signature_name' parameter, expected string_param."},
	} {
		servingtest.WantStatus(t, s.Set(tt.key, tt.v), codes.InvalidArgument, tt.text)
	}
	var o oip.OutputSettings
	if err := o.Set("classification", oip.Value{Kind: oip.Double, Double: 3}); err != nil || o.Classes != 3 {
		t.Errorf("classification: %+v, %v", o, err)
	}
	if o.Set("shared_memory_region", oip.Value{Kind: oip.String}) == nil {
		t.Error("shared memory is taken")
	}
}

func TestDeadline(t *testing.T) {
	start := time.Unix(100, 0)
	s := oip.Settings{Timeout: time.Second}
	for _, tt := range []struct{ client, want time.Time }{
		{time.Time{}, start.Add(time.Second)}, {start.Add(time.Minute), start.Add(time.Second)}, {start.Add(time.Millisecond), start.Add(time.Millisecond)},
	} {
		if got := s.Deadline(tt.client, start); !got.Equal(tt.want) {
			t.Errorf("client's %v: %v, want %v", tt.client, got, tt.want)
		}
	}
	if none := (&oip.Settings{}).Deadline(time.Time{}, start); !none.IsZero() {
		t.Errorf("no deadline at all: %v", none)
	}
}

func TestRaw(t *testing.T) {
	spec := func(d tensor.DType) *tensor.Spec { return &tensor.Spec{Name: "x", DType: d} }
	for _, tt := range []struct {
		name  string
		dtype tensor.DType
		shape tensor.Shape
		raw   string
		fault string // "": none
	}{
		{"floats", tensor.Float32, tensor.Shape{1, 2}, "\x00\x00\x80\x3f\x00\x00\x00\x40", ""},
		{"a scalar", tensor.Int16, nil, "\x01\x02", ""},
		{"none", tensor.Float64, tensor.Shape{0, 5}, "", ""},
		{"strings", tensor.String, tensor.Shape{2}, "\x01\x00\x00\x00a\x00\x00\x00\x00", ""},
		{"too short", tensor.Float32, tensor.Shape{2}, "\x00\x00\x80\x3f", "unexpected size for input 'x', expecting 8 bytes for model 'm'"},
		{"too long", tensor.Bool, tensor.Shape{1}, "\x00\x00", "unexpected size for input 'x', expecting 1 bytes for model 'm'"},
		{"too large a shape", tensor.Float32, tensor.Shape{1 << 62, 1 << 62}, "", "invalid shape [4611686018427387904,4611686018427387904] of input 'x' for model 'm'"},
		{"a product that overflows bytes", tensor.Float64, tensor.Shape{1 << 61}, "", "unexpected size for input 'x', expecting 2305843009213693952 elements for model 'm'"},
		{"a negative dimension", tensor.Float32, tensor.Shape{-1}, "", "invalid shape [-1] of input 'x' for model 'm'"},
		{"a string's length is cut", tensor.String, tensor.Shape{1}, "\x01\x00\x00", "unexpected size for input 'x', expecting 1 elements for model 'm'"},
		{"a second string's length is cut", tensor.String, tensor.Shape{2}, "\x04\x00\x00\x00aaaa\x01",
			"incomplete string length indicator for inference input 'x', expecting 4 bytes but only 1 bytes available. Expecting 2 string elements for model 'm'."},
		{"a string is cut", tensor.String, tensor.Shape{1}, "\x05\x00\x00\x00aaaa",
			"incomplete string data for inference input 'x', expecting string of length 5 but only 4 bytes available. Expecting 1 string elements for model 'm'."},
		{"a length that lies", tensor.String, tensor.Shape{1}, "\xff\xff\xff\xff",
			"incomplete string data for inference input 'x', expecting string of length 4294967295 but only 0 bytes available. Expecting 1 string elements for model 'm'."},
		{"a string too many", tensor.String, tensor.Shape{1}, "\x00\x00\x00\x00\x00\x00\x00\x00", "unexpected size for input 'x', expecting 1 elements for model 'm'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			arena := tensor.NewArena()
			defer arena.Free()
			d := oip.Decoder{Arena: arena, Left: 1 << 20, Model: "m"}
			got, err := d.Raw(spec(tt.dtype), tt.shape, []byte(tt.raw))
			if tt.fault != "" {
				servingtest.WantStatus(t, err, codes.InvalidArgument, tt.fault)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Check(); err != nil {
				t.Error(err)
			}
			if back := oip.AppendRaw(nil, &got); string(back) != tt.raw || oip.RawSize(&got) != len(back) {
				t.Errorf("written again: %q", back)
			}
		})
	}
}

func TestRawBools(t *testing.T) {
	arena := tensor.NewArena()
	defer arena.Free()
	d := oip.Decoder{Arena: arena, Left: 1 << 20}
	raw := []byte{0, 1, 7, 1}
	got, err := d.Raw(&tensor.Spec{DType: tensor.Bool}, tensor.Shape{4}, raw)
	if err != nil || string(got.Data) != "\x00\x01\x01\x01" || raw[2] != 7 {
		t.Errorf("got %v, %v; the message has become %v", got.Data, err, raw)
	}
}

func TestClassify(t *testing.T) {
	arena := tensor.NewArena()
	defer arena.Free()
	out := servingtest.Floats(tensor.Shape{2, 3}, 0.25, 0.5, 0.25, -1, 3, 7)
	got, err := oip.Classify(arena, &out, 2, true)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(got.Strings[0]) + " " + string(got.Strings[1]) + " " + string(got.Strings[2]) + " " + string(got.Strings[3]); text != "0.500000:1 0.250000:0 7.000000:2 3.000000:1" {
		t.Errorf("got %s", text)
	}
	if !got.Shape.Equal(tensor.Shape{2, 2}) {
		t.Errorf("shape %v", got.Shape)
	}
	if all, err := oip.Classify(arena, &out, 99, false); err != nil || !all.Shape.Equal(tensor.Shape{6}) || string(all.Strings[0]) != "7.000000:5" {
		t.Errorf("one row of all: %v, %v", all, err)
	}
	texts := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{1}, Strings: [][]byte{nil}}
	if _, err := oip.Classify(arena, &texts, 1, true); err == nil {
		t.Error("strings were classified")
	}
}

func TestBinding(t *testing.T) {
	c, _ := core()
	call := &serving.Call{}
	if err := oip.Pin(call, c, serving.ModelSpec{Model: "m"}); err != nil {
		t.Fatal(err)
	}
	defer call.Unpin()
	sig, err := oip.FindSignature(call, "")
	if err != nil || sig.Name != "serving_default" || call.Signature != sig.Name {
		t.Fatalf("default signature: %v, %v", sig, err)
	}
	if _, err := oip.FindSignature(call, "wide"); err != nil {
		t.Error(err)
	}
	_, err = oip.FindSignature(call, "x")
	servingtest.WantStatus(t, err, codes.InvalidArgument, `model 'm' has no signature "x": name one of {serving_default,wide} in the parameter 'signature_name'`)
	if i, err := oip.Input(call, sig, "x", "FP32"); err != nil || i != 1 {
		t.Errorf("input x: %d, %v", i, err)
	}
	_, err = oip.Input(call, sig, []byte("z"), []byte("FP32"))
	servingtest.WantStatus(t, err, codes.InvalidArgument, "unexpected inference input 'z' for model 'm'")
	_, err = oip.Input(call, sig, "x", "INT32")
	servingtest.WantStatus(t, err, codes.InvalidArgument, "inference input 'x' data-type is 'INT32', but model 'm' expects 'FP32'")
	_, err = oip.Output(call, sig, "z")
	servingtest.WantStatus(t, err, codes.InvalidArgument, "unexpected inference output 'z' for model 'm'")
	servingtest.WantStatus(t, oip.WrongInputs(call, sig, nil), codes.InvalidArgument,
		"expected 2 inputs but got 0 inputs for model 'm'. Got input(s) [], but missing required input(s) ['x']. Please provide all required input(s).")
}
