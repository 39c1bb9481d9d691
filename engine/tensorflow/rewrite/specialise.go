package rewrite

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	"google.golang.org/protobuf/proto"
)

// binding says how a function's clone gets a frozen argument: as a value in the argument's place, or as a constant in its
// body beside a handle that nobody reads any more.
type binding struct {
	variable *variable
	inBody   bool
}

// replaceCall makes a node that passes on frozen handles call clones of its functions that take them.
func (r *rewriter) replaceCall(g *graph, n *node, inputs []int, handles map[string]*frozen) {
	asValue := make(map[int]bool)
	for _, c := range r.calls(n) {
		args, _ := r.summary(c.function)
		bindings := make(map[int]binding)
		for _, k := range inputs {
			if i := k - c.first; i >= 0 {
				inBody := c.flow || args[i].inBody
				bindings[i] = binding{handles[g.canonical(n.Input[k])].variable, inBody}
				if !inBody {
					asValue[k] = true
				}
			}
		}
		c.rename(n, r.specialise(c.function, bindings))
	}
	for k := range asValue {
		h := handles[g.canonical(n.Input[k])]
		n.Input[k] = h.value()
		if in := n.Attr["Tin"].GetList(); in != nil {
			in.Type[k] = h.variable.dtype
		}
	}
	if l := n.Attr["_read_only_resource_inputs"].GetList(); l != nil {
		l.I = slices.DeleteFunc(l.I, func(i int64) bool { return asValue[int(i)] })
	}
}

// specialise returns the name of a clone of the function with these arguments frozen; equal ones are made once.
func (r *rewriter) specialise(name string, bindings map[int]binding) string {
	order := slices.Sorted(maps.Keys(bindings))
	key := name
	for _, i := range order {
		key += fmt.Sprintf("|%d=%d,%v", i, bindings[i].variable.id, bindings[i].inBody)
	}
	if clone, made := r.clones[key]; made {
		return clone
	}
	f := proto.CloneOf(r.functions[name])
	for i := 0; r.functions[f.Signature.Name] != nil; i++ {
		f.Signature.Name = fmt.Sprintf("%s_frozen_%d", name, i)
	}
	clone := f.Signature.Name
	r.functions[clone], r.clones[key], r.origin[clone] = f, clone, name

	g := newGraph(f, f.NodeDef)
	seeds := make(map[string]*frozen)
	values := make(map[string]*variable) // of arguments
	for _, i := range order {
		v, arg := bindings[i].variable, f.Signature.InputArg[i]
		if bindings[i].inBody {
			seeds[arg.Name] = &frozen{variable: v, value: r.constant(g, v)}
			continue
		}
		values[arg.Name] = v
		arg.Type, arg.HandleData = v.dtype, nil
		seeds[arg.Name] = &frozen{variable: v, value: func() string { return arg.Name }}
		if attrs := f.ArgAttr[uint32(i)]; attrs != nil {
			for _, k := range []string{"_output_shapes", "_handle_dtypes", "_handle_shapes"} {
				delete(attrs.Attr, k)
			}
		}
		delete(f.ResourceArgUniqueId, uint32(i))
		delete(f.Attr, "_input_shapes")
	}
	outside := r.inFlow
	r.inFlow = outside || len(values) == 0
	r.replace(g, nil, seeds)
	if !r.opt.NoFold && !r.inFlow && !f.Attr["_noinline"].GetB() {
		r.report.Folded += newFolder(g, nil, values).fold()
	}
	r.inFlow = outside
	f.NodeDef = g.nodes
	r.mg.GraphDef.Library.Function = append(r.mg.GraphDef.Library.Function, f)
	return clone
}

// restoreNames gives a clone the name of the function it was made of, where that one is gone and the clone the only one: the
// errors that clients see quote the names.
func (r *rewriter) restoreNames() {
	kept := make(map[string]bool)
	clones := make(map[string]int)
	for _, f := range r.mg.GraphDef.Library.Function {
		kept[f.Signature.Name] = true
		clones[r.origin[f.Signature.Name]]++
	}
	names := make(map[string]string)
	for clone, name := range r.origin {
		if kept[clone] && !kept[name] && clones[name] == 1 {
			names[clone] = name
		}
	}
	rename := func(nodes []*node) {
		for _, n := range nodes {
			if to, ok := names[n.Op]; ok {
				n.Op = to
			}
			eachFunction(n, func(f *attr_value_go_proto.NameAttrList) {
				if to, ok := names[f.Name]; ok {
					f.Name = to
				}
			})
		}
	}
	rename(r.mg.GraphDef.Node)
	for _, f := range r.mg.GraphDef.Library.Function {
		if to, ok := names[f.Signature.Name]; ok {
			f.Signature.Name = to
		}
		rename(f.NodeDef)
	}
}

// eachFunction calls f for every function that a node's attributes name.
func eachFunction(n *node, f func(*attr_value_go_proto.NameAttrList)) {
	var visit func(a *attr)
	visit = func(a *attr) {
		switch x := a.GetValue().(type) {
		case *attr_value_go_proto.AttrValue_Func:
			f(x.Func)
			for _, inner := range x.Func.Attr {
				visit(inner)
			}
		case *attr_value_go_proto.AttrValue_List:
			for _, one := range x.List.Func {
				f(one)
				for _, inner := range one.Attr {
					visit(inner)
				}
			}
		}
	}
	for name, a := range n.Attr {
		if !strings.HasPrefix(name, "_output_shapes") {
			visit(a)
		}
	}
}
