package rewrite

// passes are the ops through which a constant stays one for TensorFlow's optimisers, with the name of the output.
var passes = map[string]string{"Identity": "output", "Cast": "y", "Reshape": "output", "Transpose": "y", "Squeeze": "output",
	"ExpandDims": "output", "ConcatV2": "output", "Enter": "output"}

// multiplied says whether a value goes straight into a matrix product.
//
// oneDNN keeps the constant weights of a product laid out for the first batch size it sees, and lays them out again in every
// run with another one, which can take more than half the time. Such weights must not look constant to TensorFlow.
func (r *rewriter) multiplied(g *graph, uses map[string][]use, ref string) bool {
	return !r.opt.Constants && r.reachesProduct(g, uses, ref, make(map[string]bool))
}

// reachesProduct is multiplied; seen has the tensors and functions' arguments that were looked at.
func (r *rewriter) reachesProduct(g *graph, uses map[string][]use, ref string, seen map[string]bool) bool {
	ref = g.canonical(ref)
	key := ref
	if g.fn != nil {
		key = g.fn.Signature.Name + "|" + ref
	}
	if seen[key] {
		return false
	}
	seen[key] = true
	for _, u := range uses[ref] {
		name := u.node.Name
		var next []string
		switch u.node.Op {
		case "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "_FusedMatMul":
			return true
		case "Switch":
			next = []string{g.ref(name, "output_false", 0, 0), g.ref(name, "output_true", 0, 1)}
		default:
			if out, ok := passes[u.node.Op]; ok {
				next = []string{g.ref(name, out, 0, 0)}
			}
		}
		for _, tensor := range next {
			if r.reachesProduct(g, uses, tensor, seen) {
				return true
			}
		}
		for _, c := range r.calls(u.node) {
			f, arg := r.functions[c.function], u.k-c.first
			if f == nil || arg < 0 || arg >= len(f.Signature.InputArg) {
				continue
			}
			body := newGraph(f, f.NodeDef)
			if r.reachesProduct(body, body.uses(nil), f.Signature.InputArg[arg].Name, seen) {
				return true
			}
		}
	}
	return false
}

// guard makes n the variable's value behind a placeholder with a default, which TensorFlow's optimisers do not fold.
func guard(n *node, value string, v *variable) {
	become(n, "PlaceholderWithDefault", []string{value}, map[string]*attr{"dtype": typeAttr(v.dtype), "shape": shapeAttr(v.value.TensorShape)})
}
