package rewrite

import (
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"
)

// frozen stands for a handle whose variable is a constant, inside one graph.
type frozen struct {
	variable *variable
	// value spells the tensor that has the value; it adds what is needed for that to the graph, the first time it is called.
	value func() string
	loop  bool // reached through Enter: the value lives in the loop's frame
}

// freeze points every reader of a chosen variable at its value.
func (r *rewriter) freeze() {
	live := r.main.closure(r.roots)
	uses := r.main.uses(live)
	seeds := make(map[string]*frozen)
	for _, v := range r.variables {
		if v.value == nil {
			continue
		}
		r.constants = append(r.constants, Constant{Key: *v.key, Bytes: v.bytes, Tensor: v.value})
		value := r.constant(r.main, v)
		if v.ref {
			r.freezeReference(v, value, uses)
			continue
		}
		for _, n := range v.nodes {
			seeds[n.Name] = &frozen{variable: v, value: value}
		}
	}
	if len(r.constants) > 0 {
		r.replace(r.main, live, seeds)
		r.mg.GraphDef.Node = r.main.nodes
		if !r.opt.NoFold {
			f := newFolder(r.main, live, nil)
			f.keep(r.roots)
			r.report.Folded += f.fold()
			r.mg.GraphDef.Node = r.main.nodes
		}
	}
}

// constant adds a Const with the variable's value to g when it is first asked for.
func (r *rewriter) constant(g *graph, v *variable) func() string {
	ref := ""
	return func() string {
		if ref == "" {
			n := constNode(g.unused(v.name()+"/frozen"), "", v.value)
			if g.fn == nil {
				n.Device = v.nodes[0].Device
			} else {
				n.Name = g.unused("frozen")
			}
			g.add(n)
			ref = g.ref(n.Name, "output", 0, 0)
		}
		return ref
	}
}

// freezeReference points the live readers of a reference variable at its value.
func (r *rewriter) freezeReference(v *variable, value func() string, uses map[string][]use) {
	for _, n := range v.nodes {
		for _, u := range uses[n.Name] {
			u.node.Input[u.k] = value()
			delete(u.node.Attr, "_class")
			if u.node.Op == "Identity" && r.multiplied(r.main, uses, r.main.ref(u.node.Name, "output", 0, 0)) {
				guard(u.node, value(), v)
			}
		}
	}
}

// replace rewrites the nodes of g that use the handles in seeds. live, where it is not nil, limits it.
func (r *rewriter) replace(g *graph, live map[string]bool, seeds map[string]*frozen) {
	uses := g.uses(live)
	handles := follow(g, uses, seeds, func(n *node, out int, from *frozen) *frozen {
		if n.Op == "Enter" || n.Op == "Switch" {
			return r.carried(g, n, out, from)
		}
		return from
	})
	type reader struct {
		node   *node
		inputs []int
	}
	var readers []*reader
	byName := make(map[string]*reader)
	for _, n := range g.nodes { // in the graph's order: what is made does not depend on a map's
		for k, in := range dataInputs(n) {
			if live != nil && !live[n.Name] || handles[g.canonical(in)] == nil {
				continue
			}
			if byName[n.Name] == nil {
				byName[n.Name] = &reader{node: n}
				readers = append(readers, byName[n.Name])
			}
			byName[n.Name].inputs = append(byName[n.Name].inputs, k)
		}
	}
	renamed := make(map[string]string)
	for _, rd := range readers {
		if h := handles[g.canonical(rd.node.Input[0])]; h == nil || !r.replaceRead(g, uses, rd.node, h, renamed) {
			r.replaceCall(g, rd.node, rd.inputs, handles)
		}
	}
	g.rename(renamed)
}

// carried passes the value along the same control flow as the handle: a copy of the Enter or Switch.
func (r *rewriter) carried(g *graph, n *node, out int, from *frozen) *frozen {
	output := "output"
	if n.Op == "Switch" {
		output = [2]string{"output_false", "output_true"}[out]
	}
	name := ""
	return &frozen{variable: from.variable, loop: from.loop || n.Op == "Enter", value: func() string {
		if name == "" {
			c := proto.CloneOf(n)
			c.Name = g.unused(n.Name + "/frozen")
			c.Attr["T"] = typeAttr(from.variable.dtype)
			delete(c.Attr, "_class")
			delete(c.Attr, "_output_shapes")
			c.Input[0] = from.value()
			name = c.Name
			g.add(c)
		}
		return g.ref(name, output, 0, out)
	}}
}

// replaceRead turns an op that reads the variable into one on its value; false: the node is none.
func (r *rewriter) replaceRead(g *graph, uses map[string][]use, n *node, h *frozen, renamed map[string]string) bool {
	dtype := typeAttr(h.variable.dtype)
	switch n.Op {
	case "Identity", "Enter", "Switch": // the handle goes on to where it is read
	case "ReadVariableOp":
		read := g.ref(n.Name, "value", 0, 0)
		if r.multiplied(g, uses, read) {
			guard(n, h.value(), h.variable)
		} else {
			become(n, "Identity", []string{h.value()}, map[string]*attr{"T": dtype})
		}
		renamed[read] = g.ref(n.Name, "output", 0, 0)
	case "VariableShape":
		attrs := map[string]*attr{"T": dtype}
		if out := n.Attr["out_type"]; out != nil {
			attrs["out_type"] = out
		}
		become(n, "Shape", []string{h.value()}, attrs)
	case "VarIsInitializedOp":
		boolean := types_go_proto.DataType_DT_BOOL
		renamed[g.ref(n.Name, "is_initialized", 0, 0)] = g.ref(n.Name, "output", 0, 0)
		become(n, "Const", nil, map[string]*attr{"dtype": typeAttr(boolean),
			"value": tensorAttr(&tensorProto{Dtype: boolean, TensorShape: shapeOf(), BoolVal: []bool{true}})})
	case "DisableCopyOnRead":
		become(n, "NoOp", nil, map[string]*attr{})
	case "ResourceGather":
		batch, indices := n.Attr["batch_dims"].GetI(), n.Input[1]
		axis := constNode(g.unused(n.Name+"/axis"), n.Device, int32Scalar(int32(batch)))
		if h.loop {
			axis.Input = []string{"^" + nodeOf(indices)} // a constant is in a loop's frame only if something there orders it
		}
		g.add(axis)
		become(n, "GatherV2", []string{h.value(), indices, g.ref(axis.Name, "output", 0, 0)}, map[string]*attr{"Tparams": dtype,
			"Tindices": n.Attr["Tindices"], "Taxis": typeAttr(types_go_proto.DataType_DT_INT32), "batch_dims": intAttr(batch)})
	case "ResourceGatherNd":
		become(n, "GatherNd", []string{h.value(), n.Input[1]}, map[string]*attr{"Tparams": dtype, "Tindices": n.Attr["Tindices"]})
	default:
		return false
	}
	return true
}

// rename follows outputs that have another name now; only function bodies spell names of outputs.
func (g *graph) rename(renamed map[string]string) {
	if g.fn == nil || len(renamed) == 0 {
		return
	}
	for _, n := range g.nodes {
		for k, in := range n.Input {
			if to, ok := renamed[in]; ok {
				n.Input[k] = to
			}
		}
	}
	for k, ref := range g.fn.Ret {
		if to, ok := renamed[ref]; ok {
			g.fn.Ret[k] = to
		}
	}
}
