package json

import (
	"bytes"
	"encoding/binary"
	"strings"

	example "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

func spec(name string, d tensor.DType) tensor.Spec { return tensor.Spec{Name: name, DType: d} }

func signature(name string, in, out []tensor.Spec) *tensor.Signature {
	return &tensor.Signature{Name: name, Inputs: in, Outputs: out}
}

// dtypeNames are the element types with the names of the identity model's signatures.
var dtypeNames = map[string]tensor.DType{
	"float16": tensor.Float16, "bfloat16": tensor.BFloat16, "float32": tensor.Float32, "float64": tensor.Float64,
	"int8": tensor.Int8, "int16": tensor.Int16, "int32": tensor.Int32, "int64": tensor.Int64, "uint8": tensor.Uint8,
	"uint16": tensor.Uint16, "uint32": tensor.Uint32, "uint64": tensor.Uint64, "bool": tensor.Bool, "string": tensor.String,
	"complex64": tensor.Complex64,
}

func identity(d tensor.DType) *tensor.Signature {
	return signature(d.String(), []tensor.Spec{spec("x", d)}, []tensor.Spec{spec("y", d)})
}

var multiSignature = signature("serving_default",
	[]tensor.Spec{spec("a", tensor.Float32), spec("b", tensor.Int64), spec("s", tensor.String)},
	[]tensor.Spec{spec("b2", tensor.Int64), spec("sum", tensor.Float32), spec("tag_bytes", tensor.String), spec("text", tensor.String)})

// resolver finds the signatures of the models that the recorded cases were taken with.
func resolver(model string) Resolve {
	return func(name string) (*tensor.Signature, error) {
		if model == "identity" && dtypeNames[name] != 0 {
			return identity(dtypeNames[name]), nil
		}
		if name != "" && name != defaultSignature {
			return nil, invalidf("Serving signature name: %q not found in signature def", name)
		}
		switch model {
		case "multi":
			return multiSignature, nil
		case "nonbatch":
			return signature(name, []tensor.Spec{spec("x", tensor.Float32)}, []tensor.Spec{spec("total", tensor.Float32), spec("y", tensor.Float32)}), nil
		}
		return identity(tensor.Float32), nil
	}
}

func halfPlus(model string, x float32) float32 {
	if strings.HasSuffix(model, "@1") {
		return x/2 + 2
	}
	return x/2 + 3
}

// runModel computes what the models of the recorded cases do.
func runModel(model string, in []tensor.Tensor) []tensor.Tensor {
	switch model {
	case "identity":
		return in
	case "multi":
		return runMulti(in)
	case "nonbatch":
		return []tensor.Tensor{floats(nil, 0), in[0]}
	case "fixed":
		x := elementsOf[float32](in[0].Data)
		var y []float32
		for r := range len(x) / 3 {
			a, b, c := x[3*r], x[3*r+1], x[3*r+2]
			y = append(y, a+3*b+5*c, 2*a+4*b+6*c)
		}
		return []tensor.Tensor{floats(tensor.Shape{in[0].Shape[0], 2}, y...)}
	}
	y := make([]float32, in[0].Len())
	for i, x := range elementsOf[float32](in[0].Data) {
		y[i] = halfPlus(model, x)
		if model == "scalar" {
			y[i] = 2 * x
		}
	}
	return []tensor.Tensor{floats(in[0].Shape, y...)}
}

func runMulti(in []tensor.Tensor) []tensor.Tensor {
	a, b, s := elementsOf[float32](in[0].Data), elementsOf[int64](in[1].Data), in[2].Strings
	var sum []float32
	for i := 0; i < len(a); i += 2 {
		sum = append(sum, a[i]+a[i+1])
	}
	b2 := tensor.Tensor{DType: tensor.Int64, Shape: in[1].Shape}
	for _, v := range b {
		b2.Data = binary.NativeEndian.AppendUint64(b2.Data, uint64(v)*2)
	}
	tag := tensor.Tensor{DType: tensor.String, Shape: in[2].Shape}
	text := tag
	for _, v := range s {
		tag.Strings = append(tag.Strings, append(bytes.Clone(v), '!'))
		upper := bytes.Clone(v)
		for i, c := range upper {
			if 'a' <= c && c <= 'z' {
				upper[i] = c - 'a' + 'A'
			}
		}
		text.Strings = append(text.Strings, upper)
	}
	return []tensor.Tensor{b2, floats(in[0].Shape[:1], sum...), tag, text}
}

func floats(shape tensor.Shape, values ...float32) tensor.Tensor {
	t := tensor.Tensor{DType: tensor.Float32, Shape: shape}
	for _, v := range values {
		t.Data, _ = binary.Append(t.Data, binary.NativeEndian, v)
	}
	return t
}

func parseExample(b []byte) map[string]*example.Feature {
	var e example.Example
	if err := proto.Unmarshal(b, &e); err != nil {
		panic(err)
	}
	return e.GetFeatures().GetFeature()
}
