package rewrite

import (
	"slices"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
)

// dropUnneeded keeps the nodes and functions that the roots need, and nothing else.
func (r *rewriter) dropUnneeded() {
	needed := r.main.closure(r.roots)
	gd := r.mg.GraphDef
	gd.Node = slices.DeleteFunc(slices.Clone(r.main.nodes), func(n *node) bool { return !needed[n.Name] })
	reached := make(map[string]bool)
	for _, n := range gd.Node {
		r.reach(n, reached)
		dropColocation(n, needed)
	}
	gd.Library.Function = slices.DeleteFunc(gd.Library.Function, func(f *function) bool { return !reached[f.Signature.Name] })
	gd.Library.Gradient = slices.DeleteFunc(gd.Library.Gradient, func(g *function_go_proto.GradientDef) bool {
		return !reached[g.FunctionName] || !reached[g.GradientFunc]
	})
	gd.Library.RegisteredGradients = nil // for training
}

// reach adds to the set every function that n may call, and so on from there: those named as an op or in an attribute, those
// a function's attributes name, and the other implementations of a function that says it has some.
func (r *rewriter) reach(n *node, set map[string]bool) {
	var add func(name string)
	visit := func(n *node) {
		add(n.Op)
		eachFunction(n, func(f *attr_value_go_proto.NameAttrList) { add(f.Name) })
	}
	add = func(name string) {
		f := r.functions[name]
		if f == nil || set[name] {
			return
		}
		set[name] = true
		for _, a := range f.Attr {
			add(string(a.GetS()))
		}
		if implements := f.Attr["api_implements"].GetS(); len(implements) > 0 {
			for other, g := range r.functions {
				if string(g.Attr["api_implements"].GetS()) == string(implements) {
					add(other)
				}
			}
		}
		for _, n := range f.NodeDef {
			visit(n)
		}
	}
	visit(n)
}

// dropColocation removes a node's wish to be placed with one that is gone.
func dropColocation(n *node, kept map[string]bool) {
	list := n.Attr["_class"].GetList()
	if list == nil {
		return
	}
	list.S = slices.DeleteFunc(list.S, func(class []byte) bool {
		with, ok := strings.CutPrefix(string(class), "loc:@")
		return ok && !kept[with]
	})
	if len(list.S) == 0 {
		delete(n.Attr, "_class")
	}
}
