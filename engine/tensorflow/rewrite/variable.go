package rewrite

import (
	"fmt"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// anonymous is TensorFlow's name for resources that are new at every execution of their op.
const anonymous = "cd2c89b7-88b7-44c8-ad83-06c2a9158347"

// variable is one variable of the session: all the nodes of the main graph that name it.
type variable struct {
	id     int
	nodes  []*node
	ref    bool // VariableV2: its output is a reference, not a handle
	dtype  dataType
	used   bool   // by a signature or an initialisation
	read   bool   // by more than gathers
	reason string // why it cannot be frozen; the first one found
	bytes  int64  // -1: not known
	key    *Key   // where the checkpoint has its value
	value  *tensorProto
	stays  bool // a variable of the rewritten graph
}

// keep notes why v must stay a variable.
func (v *variable) keep(format string, args ...any) {
	if v.reason == "" {
		v.reason = fmt.Sprintf(format, args...)
	}
}

func (v *variable) name() string { return v.nodes[0].Name }

// dims are the dimensions of a variable that has a value.
func (v *variable) dims() (dims []int64) {
	for _, d := range v.value.TensorShape.Dim {
		dims = append(dims, d.Size)
	}
	return dims
}

func isVariable(op string) bool { return op == "VarHandleOp" || op == "VariableV2" || op == "Variable" }

// resourceName tells variables apart as the session's resource manager does. References live in the graph's node itself.
func resourceName(n *node) string {
	name := string(n.Attr["shared_name"].GetS())
	if name == "" {
		name = n.Name
	}
	name = string(n.Attr["container"].GetS()) + "\x00" + name
	if n.Op != "VarHandleOp" {
		name += "\x00ref"
	}
	return name
}

// findVariables groups the main graph's nodes by the variable they name.
func (r *rewriter) findVariables() {
	byResource := make(map[string]*variable)
	for _, n := range r.main.nodes {
		if !isVariable(n.Op) {
			continue
		}
		key := resourceName(n)
		v := byResource[key]
		if v == nil {
			v = &variable{id: len(r.variables), ref: n.Op != "VarHandleOp", dtype: n.Attr["dtype"].GetType(), bytes: -1}
			byResource[key] = v
			r.variables = append(r.variables, v)
		}
		if string(n.Attr["shared_name"].GetS()) == anonymous {
			v.keep("its resource is anonymous")
		}
		v.nodes = append(v.nodes, n)
		r.byNode[n.Name] = v
	}
	for _, f := range r.functions {
		for _, n := range f.NodeDef {
			if n.Op == "VarHandleOp" && byResource[resourceName(n)] != nil {
				byResource[resourceName(n)].keep("function %s names it itself", f.Signature.Name)
			}
		}
	}
}

// findUses looks at every use of every variable by a live node: all must be reads for the variable to be frozen.
func (r *rewriter) findUses() {
	live := r.main.closure(r.roots)
	uses := r.main.uses(live)
	handles := make(map[string]*variable)
	for name, v := range r.byNode {
		if live[name] {
			v.used = true
		}
		if !v.ref {
			handles[name] = v
			continue
		}
		for _, u := range uses[name] {
			v.read = v.read || !strings.HasPrefix(u.node.Op, "Gather")
			if r.takesReference(u) {
				v.keep("%s %s may write it", u.node.Op, u.node.Name)
			}
		}
	}
	handles = follow(r.main, uses, handles, func(_ *node, _ int, v *variable) *variable { return v })
	for ref, v := range handles {
		for _, u := range uses[ref] {
			use := r.handleUse(u)
			v.read = v.read || use.read
			if use.refused != "" {
				v.keep("%s", use.refused)
			}
		}
	}
	for _, t := range r.signatures {
		t = r.main.canonical(t)
		v := handles[t]
		if v == nil {
			v = r.byNode[t]
		}
		if v != nil {
			v.keep("it is itself a signature's tensor")
		}
	}
	for _, v := range r.variables {
		switch v.dtype { // what has no fixed-size content
		case types_go_proto.DataType_DT_STRING, types_go_proto.DataType_DT_RESOURCE, types_go_proto.DataType_DT_VARIANT:
			v.keep("its element type is %s", strings.ToLower(strings.TrimPrefix(v.dtype.String(), "DT_")))
		}
	}
}

// takesReference says whether the input is a reference that the op may write to; an op that is not known may.
func (r *rewriter) takesReference(u use) bool {
	op := r.opt.Ops[u.node.Op]
	if op == nil {
		return r.functions[u.node.Op] == nil
	}
	end := 0
	for _, arg := range op.InputArg {
		switch {
		case arg.NumberAttr != "":
			end += int(u.node.Attr[arg.NumberAttr].GetI())
		case arg.TypeListAttr != "":
			end += len(u.node.Attr[arg.TypeListAttr].GetList().GetType())
		default:
			end++
		}
		if u.k < end {
			return arg.IsRef
		}
	}
	return true
}
