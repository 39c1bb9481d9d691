package json

import (
	"fmt"
	"testing"
)

func TestDecodeExamples(t *testing.T) {
	req, err := DecodeExamples([]byte(`{"signature_name":"s","context":{"c":1,"x":[7]},"examples":[
		{"x":[1.5,2,NaN][0]}]}`), "classify")
	if err == nil {
		t.Fatalf("a body that is not JSON was decoded: %v", req)
	}
	req, err = DecodeExamples([]byte(`{"signature_name":"s","context":{"c":1,"x":[7]},"examples":[
		{"x":[1.5,2.0,-Inf]}, {"i":[1,-2,true,false]}, {"b":["t\u00e9xt",{"b64":"aGk="}],"none":[]}, {}, {"d":1,"d":2}]}`), "regress")
	if err != nil {
		t.Fatal(err)
	}
	if req.SignatureName != "s" {
		t.Errorf("signature %q", req.SignatureName)
	}
	want := []string{
		"c=int64[1] x=float[1.5 2 -Inf]",
		"c=int64[1] i=int64[1 -2 1 0] x=int64[7]",
		"b=bytes[téxt hi] c=int64[1] none= x=int64[7]",
		"c=int64[1] x=int64[7]",
		"c=int64[1] d=int64[2] x=int64[7]",
	}
	if len(req.Examples) != len(want) {
		t.Fatalf("%d examples", len(req.Examples))
	}
	for i, e := range req.Examples {
		if got := printExample(e); got != want[i] {
			t.Errorf("example %d: %s, want %s", i, got, want[i])
		}
	}
}

// printExample prints a serialised tf.Example's features by name.
func printExample(b []byte) string {
	features := parseExample(b)
	out := ""
	for _, name := range []string{"b", "c", "d", "i", "none", "x"} {
		f, ok := features[name]
		if !ok {
			continue
		}
		if out != "" {
			out += " "
		}
		out += name + "="
		switch {
		case f.GetBytesList() != nil:
			out += fmt.Sprintf("bytes%s", f.GetBytesList().Value)
		case f.GetFloatList() != nil:
			out += fmt.Sprintf("float%v", f.GetFloatList().Value)
		case f.GetInt64List() != nil:
			out += fmt.Sprintf("int64%v", f.GetInt64List().Value)
		}
	}
	return out
}
