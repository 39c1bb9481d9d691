package rewrite

import "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"

// traced is what is known about a tensor of the restore: at most one of its fields is set.
type traced struct {
	variable *variable // a handle or reference
	strings  []string  // a constant
	key      *Key      // a tensor read from the checkpoint
	file     bool      // the checkpoint's path, which the loader feeds
}

// restoreTrace follows the restore op through the functions it calls.
type restoreTrace struct {
	r    *rewriter
	keys map[*variable]*Key
	seen map[*variable]bool // assigned to, whether or not that was understood
	// plain: nothing happens but variables being assigned tensors of the checkpoint, once each.
	plain bool
}

// followRestore finds which tensor of the checkpoint each variable is restored from, by walking the restore op's graph without
// running it, and whether that is all the restore does.
func (r *rewriter) followRestore() (map[*variable]*Key, bool) {
	t := &restoreTrace{r: r, keys: make(map[*variable]*Key), seen: make(map[*variable]bool), plain: true}
	if op := r.mg.SaverDef.GetRestoreOpName(); op != "" {
		file := traced{file: true}
		live := r.main.closure([]string{op})
		t.body(r.main, live, map[string]*traced{r.main.canonical(r.mg.SaverDef.FilenameTensorName): &file}, 0)
	}
	return t.keys, t.plain
}

// body walks one graph; known holds what is known of its tensors to begin with.
func (t *restoreTrace) body(g *graph, live map[string]bool, known map[string]*traced, depth int) {
	done := make(map[string]bool)
	var visit func(n *node)
	get := func(ref string) *traced {
		ref = g.canonical(ref)
		if v, ok := known[ref]; ok {
			return v
		}
		if n := g.byName[nodeOf(ref)]; n != nil {
			visit(n)
		}
		return known[ref]
	}
	visit = func(n *node) {
		if done[n.Name] {
			return
		}
		done[n.Name] = true
		t.node(g, n, known, get, depth)
	}
	for _, n := range g.nodes {
		if live == nil || live[n.Name] {
			visit(n)
		}
	}
}

// node notes in known what n's outputs are.
func (t *restoreTrace) node(g *graph, n *node, known map[string]*traced, get func(string) *traced, depth int) {
	switch n.Op {
	case "VarHandleOp":
		if g.fn != nil {
			t.plain = false // of a variable that findVariables does not know
			return
		}
		known[g.ref(n.Name, "resource", 0, 0)] = &traced{variable: t.r.byNode[n.Name]}
	case "VariableV2", "Variable":
		known[g.ref(n.Name, "ref", 0, 0)] = &traced{variable: t.r.byNode[n.Name]}
	case "Const":
		if n.Attr["dtype"].GetType() == types_go_proto.DataType_DT_STRING {
			known[g.ref(n.Name, "output", 0, 0)] = &traced{strings: stringsOf(n)}
		}
	case "Identity", "PlaceholderWithDefault":
		ref := g.ref(n.Name, "output", 0, 0)
		if known[ref] == nil { // the fed path may be a placeholder itself
			known[ref] = get(n.Input[0])
		}
	case "RestoreV2":
		t.read(g, n, known, get)
	case "AssignVariableOp", "Assign":
		validate := n.Attr["validate_shape"]
		t.assign(get(n.Input[0]), get(n.Input[1]), n.Op == "Assign" && (validate == nil || validate.GetB()))
	case "PartitionedCall", "StatefulPartitionedCall":
		f := t.r.functions[n.Attr["f"].GetFunc().GetName()]
		if f == nil || depth > 8 {
			t.plain = false
			return
		}
		args := make(map[string]*traced)
		for i, a := range f.Signature.InputArg {
			if i < len(n.Input) {
				args[a.Name] = get(n.Input[i])
			}
		}
		t.body(newGraph(f, f.NodeDef), nil, args, depth+1)
	case "NoOp", "Placeholder":
	default:
		if op := t.r.opt.Ops[n.Op]; op == nil || op.IsStateful {
			t.plain = false
		}
	}
}

// read notes the tensors that a RestoreV2 gives, where it reads the model's own checkpoint by constant names.
func (t *restoreTrace) read(g *graph, n *node, known map[string]*traced, get func(string) *traced) {
	file, names, slices := get(n.Input[0]), get(n.Input[1]), get(n.Input[2])
	types := n.Attr["dtypes"].GetList().GetType()
	if file == nil || !file.file || names == nil || slices == nil || len(names.strings) != len(types) || len(slices.strings) != len(types) {
		return
	}
	for i, dt := range types {
		known[g.ref(n.Name, "tensors", i, i)] = &traced{key: &Key{Name: names.strings[i], Slice: slices.strings[i], DType: int32(dt)}}
	}
}

func (t *restoreTrace) assign(to, value *traced, validateShape bool) {
	if to == nil || to.variable == nil {
		t.plain = false
		return
	}
	v := to.variable
	if t.seen[v] || value == nil || value.key == nil {
		t.plain = false
		delete(t.keys, v)
		t.seen[v] = true
		return
	}
	t.seen[v] = true
	key := *value.key
	key.validateShape = validateShape
	t.keys[v] = &key
}
