package rewrite

// passes are the ops through which a constant stays one for TensorFlow's optimisers, with the name of the output.
var passes = map[string]string{"Identity": "output", "Cast": "y", "Reshape": "output", "Transpose": "y", "Squeeze": "output",
	"ExpandDims": "output", "ConcatV2": "output", "Enter": "output"}

// multiplied says whether a value goes straight into a matrix product.
//
// oneDNN keeps the constant weights of a product laid out for the first batch size it sees, and lays them out again in every
// run with another one, which can take more than half the time. Such weights must not look constant.
func (r *rewriter) multiplied(g *graph, uses map[string][]use, ref string, depth int) bool {
	for _, u := range uses[g.canonical(ref)] {
		switch u.node.Op {
		case "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "_FusedMatMul":
			return true
		case "Switch":
			if u.k == 0 && (r.multiplied(g, uses, g.ref(u.node.Name, "output_false", 0, 0), depth) ||
				r.multiplied(g, uses, g.ref(u.node.Name, "output_true", 0, 1), depth)) {
				return true
			}
		}
		if out, ok := passes[u.node.Op]; ok && r.multiplied(g, uses, g.ref(u.node.Name, out, 0, 0), depth) {
			return true
		}
		for _, c := range r.calls(u.node) {
			if r.multipliedIn(c.function, u.k-c.first, depth+1) {
				return true
			}
		}
	}
	return false
}

// multipliedIn asks the same of a function's argument. Deep nesting counts as yes: the guard costs little.
func (r *rewriter) multipliedIn(name string, arg, depth int) bool {
	f := r.functions[name]
	if f == nil || arg < 0 || arg >= len(f.Signature.InputArg) {
		return false
	}
	if depth > 8 {
		return true
	}
	g := newGraph(f, f.NodeDef)
	return r.multiplied(g, g.uses(nil), f.Signature.InputArg[arg].Name, depth)
}

// guard makes n the variable's value behind a placeholder with a default, which TensorFlow's optimisers do not fold.
func guard(n *node, value string, v *variable) {
	become(n, "PlaceholderWithDefault", []string{value}, map[string]*attr{"dtype": typeAttr(v.dtype), "shape": shapeAttr(v.value.TensorShape)})
}
