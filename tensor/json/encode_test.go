package json

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

func stringTensor(shape tensor.Shape, values ...string) tensor.Tensor {
	t := tensor.Tensor{DType: tensor.String, Shape: shape}
	for _, v := range values {
		t.Strings = append(t.Strings, []byte(v))
	}
	return t
}

func TestAppendPredict(t *testing.T) {
	one := func(name string, d tensor.DType) *tensor.Signature {
		return signature("", nil, []tensor.Spec{spec(name, d)})
	}
	two := signature("", nil, []tensor.Spec{spec("a", tensor.Float32), spec("b_bytes", tensor.String)})
	f := floats(tensor.Shape{2, 2}, 1, 2.5, -3, 1e20)
	s := stringTensor(tensor.Shape{2}, "hi", "\xff")
	for _, c := range []struct {
		format  Format
		sig     *tensor.Signature
		outputs []tensor.Tensor
		want    string
	}{
		{Row, one("y", tensor.Float32), []tensor.Tensor{f}, `{"predictions":[[1.0,2.5],[-3.0,1e+20]]}`},
		{Column, one("y", tensor.Float32), []tensor.Tensor{f}, `{"outputs":[[1.0,2.5],[-3.0,1e+20]]}`},
		{Column, one("y", tensor.Float32), []tensor.Tensor{floats(nil, 3)}, `{"outputs":3.0}`},
		{Row, one("y", tensor.Float32), []tensor.Tensor{floats(tensor.Shape{0, 3})}, `{"predictions":[]}`},
		{Row, one("y", tensor.Float32), []tensor.Tensor{floats(tensor.Shape{2, 0})}, `{"predictions":[[],[]]}`},
		{Row, two, []tensor.Tensor{f, s}, `{"predictions":[{"a":[1.0,2.5],"b_bytes":{"b64":"aGk="}},{"a":[-3.0,1e+20],"b_bytes":{"b64":"/w=="}}]}`},
		{Column, two, []tensor.Tensor{f, s}, `{"outputs":{"a":[[1.0,2.5],[-3.0,1e+20]],"b_bytes":[{"b64":"aGk="},{"b64":"/w=="}]}}`},
		{Column, one("text", tensor.String), []tensor.Tensor{stringTensor(tensor.Shape{3}, "a\"\\/\x01\n", "<é>", "")}, `{"outputs":["a\"\\/\u0001\n","<é>",""]}`},
		{Row, one("y", tensor.Bool), []tensor.Tensor{{DType: tensor.Bool, Shape: tensor.Shape{2}, Data: []byte{1, 0}}}, `{"predictions":[true,false]}`},
	} {
		got, err := AppendPredict([]byte("x"), c.format, c.sig, c.outputs)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("got %s, %v; want %s", got, err, c.want)
		}
	}
}

func TestAppendPredictErrors(t *testing.T) {
	two := signature("", nil, []tensor.Spec{spec("a", tensor.Float32), spec("b", tensor.Float32)})
	c := tensor.Tensor{DType: tensor.Complex64, Shape: tensor.Shape{1}, Data: make([]byte, 8)}
	for _, e := range []struct {
		outputs []tensor.Tensor
		want    string
	}{
		{nil, "Cannot convert empty tensor map to JSON"},
		{[]tensor.Tensor{floats(nil, 1), floats(tensor.Shape{1}, 1)}, "Tensor name: a has no shape information "},
		{[]tensor.Tensor{floats(tensor.Shape{2}, 1, 2), floats(tensor.Shape{1}, 1)}, "Tensor name: b has inconsistent batch size: 1 expecting: 2"},
		{[]tensor.Tensor{c}, "Failed to write JSON value for tensor type: complex64"},
	} {
		_, err := AppendPredict(nil, Row, two, e.outputs)
		if s := status.Convert(err); s.Code() != codes.InvalidArgument || s.Message() != e.want {
			t.Errorf("got %v, want %s", err, e.want)
		}
	}
}

func TestAppendResults(t *testing.T) {
	got, err := AppendClassify(nil, [][]Class{{{Label: []byte("cat"), Score: 0.5}, {Score: 1}}, {}})
	if want := `{"results":[[["cat",0.5],["",1.0]],[]]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	got, err = AppendRegress(nil, []float32{1, 2.5})
	if want := `{"results":[1.0,2.5]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err = AppendClassify(nil, nil); status.Convert(err).Message() != "Cannot convert empty ClassificationResults to JSON" {
		t.Error(err)
	}
	if _, err = AppendRegress(nil, nil); status.Convert(err).Message() != "Cannot convert empty RegressionResults to JSON" {
		t.Error(err)
	}
	if got := string(AppendError(nil, "a \"b\"\n")); got != "{\n    \"error\": \"a \\\"b\\\"\\n\"\n}" {
		t.Error(got)
	}
}
