package rewrite

import (
	"fmt"

	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// passesOn lists the outputs of a node that carry on the handle given as input k.
func passesOn(g *graph, u use) []string {
	name := u.node.Name
	switch u.node.Op {
	case "Identity", "Enter":
		return []string{g.ref(name, "output", 0, 0)}
	case "Switch":
		return []string{g.ref(name, "output_false", 0, 0), g.ref(name, "output_true", 0, 1)}
	case "While", "StatelessWhile":
		return []string{g.ref(name, "output", u.k, u.k)}
	}
	return nil
}

// follow finds every tensor that carries one of the handles in seeds, through the nodes that pass them on. derive makes the
// value kept for output number out of a node from the one of its input.
func follow[T any](g *graph, uses map[string][]use, seeds map[string]T, derive func(n *node, out int, from T) T) map[string]T {
	found := make(map[string]T, len(seeds))
	var todo []string
	for ref, v := range seeds {
		found[ref] = v
		todo = append(todo, ref)
	}
	for len(todo) > 0 {
		ref := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, u := range uses[ref] {
			loop := u.node.Op == "While" || u.node.Op == "StatelessWhile"
			if u.k != 0 && !loop {
				continue
			}
			for out, next := range passesOn(g, u) {
				if _, have := found[next]; !have {
					found[next] = derive(u.node, out, found[ref])
					todo = append(todo, next)
				}
			}
		}
	}
	return found
}

// usage says what happens to a handle.
type usage struct {
	refused string // why it cannot be frozen; empty: it can
	read    bool   // it is used by more than gathers
	inBody  bool   // it reaches a branch or a loop, which must keep its signature: the constant goes into the function's body
}

// add joins what was found about one more use.
func (a *usage) add(b usage) {
	if a.refused == "" {
		a.refused = b.refused
	}
	a.read = a.read || b.read
	a.inBody = a.inBody || b.inBody
}

// handleUse judges one use of a handle: reads are fine, so are calls of functions that only read.
func (r *rewriter) handleUse(u use) usage {
	refused := usage{read: true, refused: fmt.Sprintf("%s %s may write it", u.node.Op, u.node.Name)}
	switch u.node.Op {
	case "ReadVariableOp", "VariableShape":
		return usage{read: true}
	case "ResourceGather", "ResourceGatherNd", "VarIsInitializedOp", "DisableCopyOnRead", "Identity", "Switch":
		if u.k == 0 {
			return usage{}
		}
		return refused
	case "Enter":
		if u.k == 0 && u.node.Attr["is_constant"].GetB() {
			return usage{}
		}
		return refused
	}
	calls := r.calls(u.node)
	if len(calls) == 0 {
		return refused
	}
	var sum usage
	for _, c := range calls {
		i := u.k - c.first
		args, why := r.summary(c.function)
		if why == "" && (i < 0 || i >= len(args)) {
			why = "takes it in a way that is not understood"
		}
		if why != "" {
			return usage{read: true, refused: fmt.Sprintf("function %s %s", c.function, why)}
		}
		sum.add(args[i].usage)
		sum.inBody = sum.inBody || c.flow
		// A loop's body returns what it was given, in the same place; nothing else may return a handle.
		returned := args[i].returned
		if c.loop && (len(returned) != 1 || returned[0] != i) || !c.loop && len(returned) > 0 {
			sum.add(usage{refused: fmt.Sprintf("function %s returns it", c.function)})
		}
	}
	return sum
}

// argument is what a function does with a handle given to it.
type argument struct {
	usage
	returned []int // outputs that are the handle
}

// summary says what a function does with each of its arguments, or why that is not known.
func (r *rewriter) summary(name string) (args []argument, refused string) {
	if args, made := r.summaries[name]; made {
		if args == nil {
			return nil, "calls itself, or is not understood"
		}
		return args, ""
	}
	r.summaries[name] = nil
	f := r.functions[name]
	if f == nil {
		return nil, "is missing"
	}
	for _, a := range []string{"api_implements", "_implements", "implements"} {
		if f.Attr[a] != nil {
			return nil, "may be exchanged for another implementation" // by an optimiser, which expects the same signature
		}
	}
	if f.Attr["_XlaMustCompile"].GetB() {
		return nil, "is compiled by XLA"
	}
	args = make([]argument, len(f.Signature.InputArg))
	seeds := make(map[string]int)
	for i, a := range f.Signature.InputArg {
		if a.NumberAttr != "" || a.TypeListAttr != "" || a.TypeAttr != "" {
			return nil, "takes arguments of any type"
		}
		if a.Type != types_go_proto.DataType_DT_RESOURCE {
			args[i].refused = fmt.Sprintf("function %s takes no handle there", name)
			continue
		}
		seeds[a.Name] = i
	}
	g := newGraph(f, f.NodeDef)
	uses := g.uses(nil)
	handles := follow(g, uses, seeds, func(_ *node, _ int, arg int) int { return arg })
	for ref, i := range handles {
		for _, u := range uses[ref] {
			args[i].add(r.handleUse(u))
		}
	}
	for j, out := range f.Signature.OutputArg {
		if i, ok := handles[f.Ret[out.Name]]; ok {
			args[i].returned = append(args[i].returned, j)
		}
	}
	r.summaries[name] = args
	return args, ""
}
