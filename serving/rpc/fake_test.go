package rpc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/serving"
	"shoal/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type runFunc func(ctx context.Context, in []tensor.Tensor, deadline time.Time) ([]tensor.Tensor, error)

// model is a servable whose signatures are Go functions.
type model struct {
	sigs map[string]*tensor.Signature
	runs map[string]runFunc
	meta *for_core_protos_go_proto.MetaGraphDef
}

func newModel() *model {
	return &model{
		sigs: map[string]*tensor.Signature{},
		runs: map[string]runFunc{},
		meta: &for_core_protos_go_proto.MetaGraphDef{SignatureDef: map[string]*for_core_protos_go_proto.SignatureDef{}},
	}
}

// add gives the model a signature; shapes are of no interest here.
func (m *model) add(name, method string, in, out map[string]tensor.DType, run runFunc) *model {
	specs := func(types map[string]tensor.DType) (list []tensor.Spec) {
		for alias, d := range types {
			list = append(list, tensor.Spec{Name: alias, DType: d, UnknownRank: true, TensorName: name + "_" + alias + ":0"})
		}
		slices.SortFunc(list, func(a, b tensor.Spec) int { return cmp.Compare(a.Name, b.Name) })
		return list
	}
	m.sigs[name] = &tensor.Signature{Name: name, Method: method, Inputs: specs(in), Outputs: specs(out)}
	m.runs[name] = run
	m.meta.SignatureDef[name] = &for_core_protos_go_proto.SignatureDef{MethodName: method}
	return m
}

func (m *model) Close()                                            {}
func (m *model) MetaGraph() *for_core_protos_go_proto.MetaGraphDef { return m.meta }

func (m *model) Signature(name string) (*tensor.Signature, bool) {
	s, ok := m.sigs[cmp.Or(name, "serving_default")]
	return s, ok
}

func (m *model) Run(ctx context.Context, sig *tensor.Signature, in []tensor.Tensor, _ *tensor.Arena, deadline time.Time) (*batcher.Answer, error) {
	for i := range in {
		if err := in[i].Check(); err != nil {
			return nil, err
		}
	}
	out, err := m.runs[sig.Name](ctx, in, deadline)
	if err != nil {
		return nil, err
	}
	return &batcher.Answer{Outputs: out, BatchRows: 1, BatchSize: 1}, nil
}

// core serves models by hand.
type core struct {
	mu       sync.Mutex
	versions map[string]map[int64]*model
	labels   map[string]int64
	statuses map[string][]serving.VersionStatus
	reasons  []string // why it is not ready
	pinned   int
}

func (c *core) Handle(spec serving.Spec) (*serving.Handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if spec.Label != "" {
		v, ok := c.labels[spec.Label]
		if !ok {
			return nil, status.Errorf(codes.InvalidArgument, "Unrecognized servable version label: %s", spec.Label)
		}
		spec.Version = &v
	}
	var version int64
	for v := range c.versions[spec.Model] {
		if spec.Version == nil || v == *spec.Version {
			version = max(version, v)
		}
	}
	m, ok := c.versions[spec.Model][version]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "Servable not found for request: %v", spec)
	}
	c.pinned++
	return serving.NewHandle(m, spec.Model, version, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pinned--
	}), nil
}

func (c *core) Status(name string, version *int64) ([]serving.VersionStatus, error) {
	all := c.statuses[name]
	if version == nil {
		if len(all) == 0 {
			return nil, status.Errorf(codes.NotFound, "Could not find any versions of model %s", name)
		}
		return all, nil
	}
	for _, v := range all {
		if v.Version == *version {
			return []serving.VersionStatus{v}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "Could not find version %d of model %s", *version, name)
}

func (c *core) Models() []serving.ModelStatus { return nil }

func (c *core) Ready() (bool, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.reasons) == 0, c.reasons
}

func (c *core) setReasons(reasons ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons = reasons
}

// newCore has the models that the recorded answers were taken with.
func newCore() *core {
	available := func(versions ...int64) (list []serving.VersionStatus) {
		for _, v := range versions {
			list = append(list, serving.VersionStatus{Version: v, State: serving.Available})
		}
		return list
	}
	return &core{
		versions: map[string]map[int64]*model{
			"half_plus_two": {1: halfPlus(2), 2: halfPlus(3)},
			"identity":      {1: identity()},
			"multi":         {1: multi()},
			"fixed":         {1: fixed()},
			"nonbatch":      {1: nonBatch()},
			"scalar":        {1: scalar()},
		},
		labels:   map[string]int64{"stable": 1, "canary": 2},
		statuses: map[string][]serving.VersionStatus{"half_plus_two": available(2, 1), "identity": available(1)},
	}
}

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
		return []tensor.Tensor{floats(tensor.Shape{int64(len(y)), 1}, y...)}, nil
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
		a, b, s := values(in[0]), in[1], in[2]
		b2 := tensor.Tensor{DType: tensor.Int64, Shape: b.Shape, Data: make([]byte, len(b.Data))}
		tag, text := tensor.Tensor{DType: tensor.String, Shape: s.Shape}, tensor.Tensor{DType: tensor.String, Shape: s.Shape}
		var sum []float32
		for i := range s.Strings {
			sum = append(sum, a[2*i]+a[2*i+1])
			binary.LittleEndian.PutUint64(b2.Data[8*i:], 2*binary.LittleEndian.Uint64(b.Data[8*i:]))
			tag.Strings = append(tag.Strings, append(bytes.Clone(s.Strings[i]), '!'))
			text.Strings = append(text.Strings, bytes.ToUpper(s.Strings[i]))
		}
		return []tensor.Tensor{b2, floats(tensor.Shape{int64(len(sum))}, sum...), tag, text}, nil
	})
}

func fixed() *model {
	return newModel().add("serving_default", predictMethod, floatX, floatY, func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		x := in[0]
		if len(x.Shape) != 2 || x.Shape[1] != 3 {
			return nil, status.Errorf(codes.InvalidArgument, "Matrix size-incompatible: In[0]: %v, In[1]: [3,2]", x.Shape)
		}
		var y []float32
		for v := values(x); len(v) > 0; v = v[3:] {
			y = append(y, v[0]+3*v[1]+5*v[2], 2*v[0]+4*v[1]+6*v[2])
		}
		return []tensor.Tensor{floats(tensor.Shape{x.Shape[0], 2}, y...)}, nil
	})
}

func nonBatch() *model {
	out := map[string]tensor.DType{"total": tensor.Float32, "y": tensor.Float32}
	return newModel().add("serving_default", predictMethod, floatX, out, func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		var total float32
		for _, v := range values(in[0]) {
			total += v
		}
		return []tensor.Tensor{floats(tensor.Shape{}, total), mapFloats(in[0], func(x float32) float32 { return x + 1 })}, nil
	})
}

func scalar() *model {
	return newModel().add("serving_default", predictMethod, floatX, floatY, func(_ context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		return []tensor.Tensor{mapFloats(in[0], func(x float32) float32 { return 2 * x })}, nil
	})
}

func floats(shape tensor.Shape, values ...float32) tensor.Tensor {
	t := tensor.Tensor{DType: tensor.Float32, Shape: shape}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func values(t tensor.Tensor) []float32 {
	out := make([]float32, t.Len())
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return out
}

func mapFloats(t tensor.Tensor, f func(float32) float32) tensor.Tensor {
	v := values(t)
	for i := range v {
		v[i] = f(v[i])
	}
	return floats(t.Shape, v...)
}

// tensorProto makes the message of a tensor without elements.
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
