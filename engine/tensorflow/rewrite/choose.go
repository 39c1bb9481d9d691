package rewrite

import (
	"math"
	"strings"
)

// choose decides which variables are frozen, and gives those their value, still without content.
func (r *rewriter) choose(restored map[*variable]*Key) {
	var candidates []*variable
	var total int64
	for _, v := range r.variables {
		v.key = restored[v]
		t := r.describe(v)
		if !v.used {
			continue
		}
		switch {
		case v.key == nil:
			v.keep("the restore does not assign it in a way that is understood")
		case v.key.Slice != "":
			v.keep("it is a part of a partitioned variable")
		case t == nil:
			v.keep("the checkpoint does not have it with this element type")
		case !v.read && v.bytes > maxGathered && !r.opt.Constants:
			v.keep("it is only gathered from")
		}
		if v.reason == "" {
			v.value = t
			candidates = append(candidates, v)
			total += v.bytes
		}
	}
	if why := r.refuse(total); why != "" {
		for _, v := range candidates {
			v.keep("%s", why)
			v.value = nil
		}
		if len(candidates) > 0 {
			r.report.NotFrozen = why
		}
	}
}

// refuse says why nothing is frozen, or "".
func (r *rewriter) refuse(total int64) string {
	switch {
	case r.opt.Constants && total > maxConstants:
		return "a graph cannot hold that many bytes of constants"
	case r.opt.Constants:
		return ""
	case r.opt.Freeze == Never:
		return "freezing is off"
	case r.opt.Freeze == Auto && !r.convolves():
		return "the model has no convolutions, where it pays"
	case r.opt.Freeze == Auto && total > r.opt.Budget:
		return "the constants would exceed the budget"
	case total > maxConstants:
		return "a graph cannot hold that many bytes of constants"
	}
	return ""
}

// describe finds the size of a variable's value, and returns a tensor for it without content, or nil.
func (r *rewriter) describe(v *variable) *tensorProto {
	if v.key == nil || r.opt.Checkpoint == nil {
		return nil
	}
	dtype, dims, ok := r.opt.Checkpoint.Describe(v.key.Name)
	size := elementSize(dataType(dtype))
	if !ok || size == 0 {
		return nil
	}
	n := int64(1)
	for _, d := range dims {
		if d < 0 || d > 0 && n > math.MaxInt64/d/size {
			return nil
		}
		n *= d
	}
	if v.key.Slice != "" {
		n = sliceElements(v.key.Slice)
	}
	if n >= 0 {
		v.bytes = n * size
	}
	if dataType(dtype) != v.dtype || dtype != v.key.DType {
		return nil
	}
	return &tensorProto{Dtype: v.dtype, TensorShape: shapeOf(dims...)}
}

// elementSize is the bytes an element takes in a tensor's content; 0 for types that have none or pack their elements.
func elementSize(t dataType) int64 {
	switch strings.TrimSuffix(strings.TrimPrefix(t.String(), "DT_"), "_REF") {
	case "BOOL", "INT8", "UINT8", "QINT8", "QUINT8":
		return 1
	case "HALF", "BFLOAT16", "INT16", "UINT16", "QINT16", "QUINT16":
		return 2
	case "FLOAT", "INT32", "UINT32", "QINT32":
		return 4
	case "DOUBLE", "INT64", "UINT64", "COMPLEX64":
		return 8
	case "COMPLEX128":
		return 16
	}
	return 0
}

// convolutions are the ops for which TensorFlow prepares constant weights beforehand.
var convolutions = map[string]bool{"Conv2D": true, "DepthwiseConv2dNative": true, "Conv3D": true, "Conv": true, "_FusedConv2D": true}

// convolves reports whether anything that a signature may run convolves.
func (r *rewriter) convolves() bool {
	live := r.main.closure(r.roots)
	seen := make(map[string]bool)
	found := false
	for _, n := range r.main.nodes {
		if live[n.Name] {
			found = found || convolutions[n.Op]
			r.reach(n, seen)
		}
	}
	for name := range seen {
		for _, n := range r.functions[name].NodeDef {
			found = found || convolutions[n.Op]
		}
	}
	return found
}
