package rewrite

import (
	"strconv"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
)

type (
	node     = node_def_go_proto.NodeDef
	function = function_go_proto.FunctionDef
)

// graph is the main graph (fn is nil) or the body of a function. The two spell tensors differently: "node:1" counts all
// outputs of a node, "node:output_name:0" those of one named output.
type graph struct {
	fn     *function
	nodes  []*node
	byName map[string]*node
}

// use is input k of a node.
type use struct {
	node *node
	k    int
}

func newGraph(fn *function, nodes []*node) *graph {
	g := &graph{fn: fn, nodes: nodes, byName: make(map[string]*node, len(nodes))}
	for _, n := range nodes {
		g.byName[n.Name] = n
	}
	return g
}

func (g *graph) add(n *node) {
	g.nodes = append(g.nodes, n)
	g.byName[n.Name] = n
}

// ref spells the tensor at position index of the named output, which is number flat among all outputs of the node.
func (g *graph) ref(node, output string, index, flat int) string {
	if g.fn != nil {
		return node + ":" + output + ":" + strconv.Itoa(index)
	}
	if flat == 0 {
		return node
	}
	return node + ":" + strconv.Itoa(flat)
}

// canonical is the one spelling of a reference under which tensors are kept in maps.
func (g *graph) canonical(ref string) string {
	if g.fn == nil {
		return strings.TrimSuffix(ref, ":0")
	}
	return ref
}

// nodeOf is the name of the node that a reference, of data or control, belongs to.
func nodeOf(ref string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(ref, "^"), ":")
	return name
}

// dataInputs and controlInputs split a node's inputs; the latter come last.
func dataInputs(n *node) []string { return n.Input[:len(n.Input)-len(controlInputs(n))] }

func controlInputs(n *node) []string {
	for i, in := range n.Input {
		if strings.HasPrefix(in, "^") {
			return n.Input[i:]
		}
	}
	return nil
}

// uses lists the readers of every tensor, by its canonical reference. live, where it is not nil, limits them.
func (g *graph) uses(live map[string]bool) map[string][]use {
	all := make(map[string][]use, len(g.nodes))
	for _, n := range g.nodes {
		if live != nil && !live[n.Name] {
			continue
		}
		for k, in := range dataInputs(n) {
			in = g.canonical(in)
			all[in] = append(all[in], use{n, k})
		}
	}
	return all
}

// closure is the set of nodes that the roots, tensors or nodes, need.
func (g *graph) closure(roots []string) map[string]bool {
	seen := make(map[string]bool)
	todo := append([]string(nil), roots...)
	for len(todo) > 0 {
		n := g.byName[nodeOf(todo[len(todo)-1])]
		todo = todo[:len(todo)-1]
		if n == nil || seen[n.Name] {
			continue
		}
		seen[n.Name] = true
		todo = append(todo, n.Input...)
	}
	return seen
}

// unused is a name for a new node: base, or base with a number.
func (g *graph) unused(base string) string {
	taken := func(name string) bool {
		if g.byName[name] != nil {
			return true
		}
		if g.fn != nil {
			for _, a := range g.fn.Signature.InputArg {
				if a.Name == name {
					return true
				}
			}
		}
		return false
	}
	name := base
	for i := 1; taken(name); i++ {
		name = base + "_" + strconv.Itoa(i)
	}
	return name
}
