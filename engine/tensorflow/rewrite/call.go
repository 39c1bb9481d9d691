package rewrite

// call is one function that a node passes its inputs to.
type call struct {
	function string
	attr     string // that names it; empty: the op is the function itself
	index    int    // in a list of functions; -1: the attribute is one function
	first    int    // the input that becomes the function's first argument
	flow     bool   // a branch or a loop, whose functions share a signature
	loop     bool   // a loop's body, which returns its arguments
}

// rename makes the node call another function instead.
func (c *call) rename(n *node, function string) {
	switch {
	case c.attr == "":
		n.Op = function
	case c.index >= 0:
		n.Attr[c.attr].GetList().Func[c.index].Name = function
	default:
		n.Attr[c.attr].GetFunc().Name = function
	}
}

// calls lists the functions that a node passes its inputs to, as far as they are understood.
func (r *rewriter) calls(n *node) []call {
	one := func(attr string, first int) call {
		return call{function: n.Attr[attr].GetFunc().GetName(), attr: attr, index: -1, first: first}
	}
	flow := func(c call) call { c.flow = true; return c }
	switch n.Op {
	case "PartitionedCall", "StatefulPartitionedCall":
		return []call{one("f", 0)}
	case "BatchFunction":
		return []call{flow(one("f", 0))}
	case "If", "StatelessIf":
		return []call{flow(one("then_branch", 1)), flow(one("else_branch", 1))}
	case "While", "StatelessWhile":
		body := flow(one("body", 0))
		body.loop = true
		return []call{flow(one("cond", 0)), body}
	case "Case", "StatelessCase":
		var list []call
		for i, f := range n.Attr["branches"].GetList().GetFunc() {
			list = append(list, call{function: f.Name, attr: "branches", index: i, first: 1, flow: true})
		}
		return list
	}
	if r.functions[n.Op] != nil {
		return []call{{function: n.Op, index: -1}}
	}
	return nil
}
