package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/serving/servingtest"
	"shoal/tensor"
)

const (
	predictMethod  = "tensorflow/serving/predict"
	classifyMethod = "tensorflow/serving/classify"
	regressMethod  = "tensorflow/serving/regress"
)

var (
	floatX     = map[string]tensor.DType{"x": tensor.Float32}
	floatY     = map[string]tensor.DType{"y": tensor.Float32}
	examplesIn = map[string]tensor.DType{"inputs": tensor.String}
)

func halfPlus(offset float32) *model {
	line := func(x float32) float32 { return x/2 + offset }
	fromExamples := func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		var y []float32
		for _, wire := range in[0].Strings {
			var e example_protos_go_proto.Example
			x := []float32(nil)
			if err := proto.Unmarshal(wire, &e); err == nil {
				x = e.GetFeatures().GetFeature()["x"].GetFloatList().GetValue()
			}
			if len(x) != 1 {
				return nil, status.Error(codes.InvalidArgument, "Key: x.  Can't parse serialized Example.")
			}
			y = append(y, line(x[0]))
		}
		return []tensor.Tensor{servingtest.Floats(tensor.Shape{int64(len(y)), 1}, y...)}, nil
	}
	return newModel().
		add("serving_default", predictMethod, floatX, floatY, func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
			return []tensor.Tensor{mapFloats(in[0], line)}, nil
		}).
		add("regress_x_to_y", predictMethod, examplesIn, map[string]tensor.DType{"outputs": tensor.Float32}, fromExamples).
		add("classify_x_to_y", predictMethod, examplesIn, map[string]tensor.DType{"scores": tensor.Float32}, fromExamples)
}

var identityTypes = map[string]tensor.DType{
	"float16": tensor.Float16, "bfloat16": tensor.BFloat16, "float32": tensor.Float32, "float64": tensor.Float64,
	"int8": tensor.Int8, "int16": tensor.Int16, "int32": tensor.Int32, "int64": tensor.Int64, "uint8": tensor.Uint8,
	"uint16": tensor.Uint16, "uint32": tensor.Uint32, "uint64": tensor.Uint64, "bool": tensor.Bool, "string": tensor.String,
	"complex64": tensor.Complex64, "complex128": tensor.Complex128,
}

func identity() *model {
	m := newModel()
	for name, d := range identityTypes {
		m.add(name, predictMethod, map[string]tensor.DType{"x": d}, map[string]tensor.DType{"y": d},
			func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) { return in, nil })
	}
	return m
}

func multi() *model {
	in := map[string]tensor.DType{"a": tensor.Float32, "b": tensor.Int64, "s": tensor.String}
	out := map[string]tensor.DType{"b2": tensor.Int64, "sum": tensor.Float32, "tag_bytes": tensor.String, "text": tensor.String}
	return newModel().add("serving_default", predictMethod, in, out, func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		a, b, s := servingtest.Values(in[0]), in[1], in[2]
		b2 := tensor.Tensor{DType: tensor.Int64, Shape: b.Shape, Data: make([]byte, len(b.Data))}
		tag, text := tensor.Tensor{DType: tensor.String, Shape: s.Shape}, tensor.Tensor{DType: tensor.String, Shape: s.Shape}
		var sum []float32
		for i := range s.Strings {
			sum = append(sum, a[2*i]+a[2*i+1])
			binary.LittleEndian.PutUint64(b2.Data[8*i:], 2*binary.LittleEndian.Uint64(b.Data[8*i:]))
			tag.Strings = append(tag.Strings, append(bytes.Clone(s.Strings[i]), '!'))
			text.Strings = append(text.Strings, bytes.ToUpper(s.Strings[i]))
		}
		return []tensor.Tensor{b2, servingtest.Floats(tensor.Shape{int64(len(sum))}, sum...), tag, text}, nil
	})
}

func fixed() *model {
	return newModel().add("serving_default", predictMethod, floatX, floatY, func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		x := in[0]
		if len(x.Shape) != 2 || x.Shape[1] != 3 {
			return nil, status.Errorf(codes.InvalidArgument, "Matrix size-incompatible: In[0]: %v, In[1]: [3,2]", x.Shape)
		}
		var y []float32
		for v := servingtest.Values(x); len(v) > 0; v = v[3:] {
			y = append(y, v[0]+3*v[1]+5*v[2], 2*v[0]+4*v[1]+6*v[2])
		}
		return []tensor.Tensor{servingtest.Floats(tensor.Shape{x.Shape[0], 2}, y...)}, nil
	})
}

func nonBatch() *model {
	out := map[string]tensor.DType{"total": tensor.Float32, "y": tensor.Float32}
	return newModel().add("serving_default", predictMethod, floatX, out, func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		var total float32
		for _, v := range servingtest.Values(in[0]) {
			total += v
		}
		return []tensor.Tensor{servingtest.Floats(tensor.Shape{}, total), mapFloats(in[0], func(x float32) float32 { return x + 1 })}, nil
	})
}

func scalar() *model {
	return newModel().add("serving_default", predictMethod, floatX, floatY, func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		return []tensor.Tensor{mapFloats(in[0], func(x float32) float32 { return 2 * x })}, nil
	})
}

func mapFloats(t tensor.Tensor, f func(float32) float32) tensor.Tensor {
	v := servingtest.Values(t)
	for i := range v {
		v[i] = f(v[i])
	}
	return servingtest.Floats(t.Shape, v...)
}

func tensorProto(d tensor.DType, shape ...int64) *tensor_go_proto.TensorProto {
	s := &tensor_shape_go_proto.TensorShapeProto{}
	for _, n := range shape {
		s.Dim = append(s.Dim, &tensor_shape_go_proto.TensorShapeProto_Dim{Size: n})
	}
	return &tensor_go_proto.TensorProto{Dtype: types_go_proto.DataType(d), TensorShape: s}
}

func floatProto(shape []int64, values ...float32) *tensor_go_proto.TensorProto {
	p := tensorProto(tensor.Float32, shape...)
	p.FloatVal = values
	return p
}
