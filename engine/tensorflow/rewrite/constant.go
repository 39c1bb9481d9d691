package rewrite

import (
	"encoding/binary"
	"slices"

	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// constant is what is known of a tensor that is the same in every run.
type constant struct {
	dims  []int64
	known bool // dims
	ok    bool // it is a constant
}

// constant says whether a tensor is computed from constants alone, by ops whose results are constants for TensorFlow too.
func (f *folder) constant(ref string) constant {
	ref = f.g.canonical(ref)
	if c, ok := f.constants[ref]; ok {
		return c
	}
	f.constants[ref] = constant{} // a loop is none
	c := f.compute(f.producer(ref))
	f.constants[ref] = c
	return c
}

func (f *folder) compute(n *node) constant {
	if n == nil || len(controlInputs(n)) > 0 {
		return constant{}
	}
	switch n.Op {
	case "Const":
		t := n.Attr["value"].GetTensor()
		c := constant{known: t.GetTensorShape() != nil && !t.GetTensorShape().UnknownRank, ok: t != nil}
		for _, d := range t.GetTensorShape().GetDim() {
			c.dims = append(c.dims, d.Size)
		}
		return c
	case "Identity", "Rsqrt", "Sqrt", "Neg", "Square":
		return f.constant(n.Input[0])
	case "Squeeze":
		c := f.constant(n.Input[0])
		if len(n.Attr["squeeze_dims"].GetList().GetI()) > 0 {
			c.known = false
		}
		c.dims = slices.DeleteFunc(slices.Clone(c.dims), func(d int64) bool { return d == 1 })
		return c
	case "Reshape":
		c, shape := f.constant(n.Input[0]), f.producer(n.Input[1])
		c.known = false
		if shape == nil || shape.Op != "Const" {
			return constant{}
		}
		if c.dims, c.known = intsOf(shape); slices.Contains(c.dims, -1) {
			c.known = false
		}
		return c
	case "Add", "AddV2", "Sub", "Mul", "RealDiv":
		return broadcast(f.constant(n.Input[0]), f.constant(n.Input[1]))
	}
	return constant{}
}

// broadcast is the result of an elementwise op.
func broadcast(a, b constant) constant {
	c := constant{ok: a.ok && b.ok, known: a.known && b.known}
	if !c.ok || !c.known {
		return c
	}
	if len(a.dims) < len(b.dims) {
		a, b = b, a
	}
	c.dims = slices.Clone(a.dims)
	for i := range b.dims {
		at := len(a.dims) - len(b.dims) + i
		c.dims[at] = max(a.dims[at], b.dims[i])
		if a.dims[at] != b.dims[i] && a.dims[at] != 1 && b.dims[i] != 1 {
			return constant{}
		}
	}
	return c
}

// intsOf reads a Const that is a vector of integers; the last value stands for all that follow.
func intsOf(n *node) (list []int64, ok bool) {
	t := n.Attr["value"].GetTensor()
	if len(t.GetTensorShape().GetDim()) != 1 || t.TensorShape.Dim[0].Size > 32 {
		return nil, false
	}
	list = make([]int64, t.TensorShape.Dim[0].Size)
	for i := range list {
		switch {
		case t.Dtype == types_go_proto.DataType_DT_INT32 && len(t.TensorContent) == 4*len(list):
			list[i] = int64(int32(binary.LittleEndian.Uint32(t.TensorContent[4*i:])))
		case t.Dtype == types_go_proto.DataType_DT_INT64 && len(t.TensorContent) == 8*len(list):
			list[i] = int64(binary.LittleEndian.Uint64(t.TensorContent[8*i:]))
		case len(t.IntVal) > 0:
			list[i] = int64(t.IntVal[min(i, len(t.IntVal)-1)])
		case len(t.Int64Val) > 0:
			list[i] = t.Int64Val[min(i, len(t.Int64Val)-1)]
		default:
			return nil, false
		}
	}
	return list, true
}
