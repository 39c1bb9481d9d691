package openvino

/*
#cgo noescape shoal_ov_finite
#cgo nocallback shoal_ov_finite
#cgo noescape shoal_ov_within
#cgo nocallback shoal_ov_within
#include "guard.h"
#include "run.h"
*/
import "C"

import (
	"unsafe"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine"
	"shoal/tensor"
)

// ErrOutside is the error of a guarded run with values that another engine has to judge.
var ErrOutside = status.Error(codes.OutOfRange, "OpenVINO: the request has values that it may treat otherwise than TensorFlow")

// guard looks at the values of a run.
type guard struct {
	bounds []*engine.Bound // of each input; nil: its integers may be any
	inputs []tensor.Spec
}

func newGuard(m *Model) *guard {
	g := &guard{inputs: m.Signature.Inputs}
	for _, s := range m.Signature.Inputs {
		var bound *engine.Bound
		if b, ok := m.options.Bounds[s.Name]; ok {
			bound = &b
		}
		g.bounds = append(g.bounds, bound)
	}
	return g
}

// fits looks at the shapes: those that the signature does not declare may be an error, or may be tensors without elements.
func (g *guard) fits(shapes []tensor.Shape) bool {
	if g == nil {
		return true
	}
	for i, s := range g.inputs {
		if !s.UnknownRank && len(s.Shape) != len(shapes[i]) {
			return false
		}
		for d, n := range shapes[i] {
			if n == 0 || !s.UnknownRank && s.Shape[d] >= 0 && s.Shape[d] != n {
				return false
			}
		}
	}
	return true
}

// admits looks at the gathered inputs.
func (g *guard) admits(in *Instance) bool {
	if g == nil || len(g.inputs) == 0 {
		return true
	}
	n := len(g.inputs)
	data, sizes := unsafe.Slice(in.call.input_data, n), unsafe.Slice(in.call.input_bytes, n)
	ports := unsafe.Slice(in.call.inputs, n)
	for i := range g.inputs {
		switch b := g.bounds[i]; {
		case ports[i].port == nil:
		case g.inputs[i].DType == tensor.Float32:
			if C.shoal_ov_finite((*C.float)(data[i]), sizes[i]/4) == 0 {
				return false
			}
		case b != nil:
			if C.shoal_ov_within(data[i], sizes[i], ports[i]._type, C.int64_t(b.Min), C.int64_t(b.Max)) == 0 {
				return false
			}
		}
	}
	return true
}

// passes looks at the outputs.
func (g *guard) passes(r *tensor.Result) bool {
	if g == nil {
		return true
	}
	for i := range r.Outputs {
		t := &r.Outputs[i]
		if t.DType == tensor.Float32 && len(t.Data) > 0 && C.shoal_ov_finite((*C.float)(unsafe.Pointer(unsafe.SliceData(t.Data))), C.size_t(len(t.Data)/4)) == 0 {
			return false
		}
	}
	return true
}
