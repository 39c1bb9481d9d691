package tensorflow

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/engine"
	"shoal/engine/tensorflow/rewrite"
)

// portability says why an engine that computes float32 and int32 may not answer requests for a signature, the only one of the
// meta graph, as TensorFlow does: `CheckNumerics (node "check") …`. "": it answers alike, as long as the integers of the inputs
// are within the bounds. Where an op fails on some values TensorFlow's error counts as its answer.
func portability(mg *pb.MetaGraphDef) (refused string, bounds map[string]engine.Bound) {
	p := &portable{functions: make(map[string]*subgraph), bounds: make(map[string]engine.Bound)}
	for _, f := range mg.GraphDef.GetLibrary().GetFunction() {
		b := &subgraph{name: f.Signature.Name, nodes: f.NodeDef}
		for _, a := range f.Signature.InputArg {
			b.arguments = append(b.arguments, a.Name)
		}
		for _, a := range f.Signature.OutputArg {
			b.returns = append(b.returns, f.Ret[a.Name])
		}
		p.functions[f.Signature.Name] = b
	}
	sig := mg.SignatureDef[rewrite.DefaultSignature]
	args := make(map[string]value)
	for name, info := range sig.GetInputs() {
		p.open = p.open || opensInside(info)
		p.declare(name, info)
		args[canonical(info.GetName())] = value{input: name}
	}
	for name, info := range sig.GetOutputs() {
		if dt := info.GetDtype(); !portableTypes[dt] {
			p.refuse("the output %q has the type %v", name, dt)
		}
	}
	p.walk(&subgraph{nodes: mg.GraphDef.Node}, args, 0)
	return p.refused, p.bounds
}

// portable is the state of one look.
type portable struct {
	functions map[string]*subgraph
	open      bool // an input has a dimension of any size besides the first
	bounds    map[string]engine.Bound
	refused   string
}

// subgraph is the main graph or a function.
type subgraph struct {
	name      string // "": the main graph
	nodes     []*node_def_go_proto.NodeDef
	arguments []string
	returns   []string
}

// value is what is known of a tensor.
type value struct {
	constant *tensor_go_proto.TensorProto // nil: it is none
	shapes   bool                         // it follows from constants and shapes alone
	input    string                       // its elements are those of this input, in any order and width; "": they are not
	negative string                       // it says whether this input's elements are below zero
	plus     string                       // it is this input's elements and something fixed; for a SelectV2 only
}

func (v value) fixed() bool { return v.constant != nil || v.shapes }

func (p *portable) refuse(format string, args ...any) {
	if p.refused == "" {
		p.refused = fmt.Sprintf(format, args...)
	}
}

// declare looks at an input of the signature.
func (p *portable) declare(name string, info *pb.TensorInfo) {
	switch dt := info.GetDtype(); {
	case !portableTypes[dt]:
		p.refuse("the input %q has the type %v", name, dt)
	case dt == types_go_proto.DataType_DT_INT64:
		p.bounds[name] = engine.Bound{Min: math.MinInt32, Max: math.MaxInt32} // int64 is computed as int32
	}
}

func opensInside(info *pb.TensorInfo) bool {
	shape := info.GetTensorShape()
	if shape == nil || shape.GetUnknownRank() {
		return true
	}
	for i, d := range shape.GetDim() {
		if i > 0 && d.GetSize() < 0 {
			return true
		}
	}
	return false
}

// walk looks at all nodes of a graph whose arguments (of the main graph: the fed tensors) are known, and returns what is known of
// what it returns.
func (p *portable) walk(b *subgraph, args map[string]value, depth int) []value {
	if depth > 64 {
		p.refuse("its functions call each other more than 64 deep")
		return make([]value, len(b.returns))
	}
	byName := make(map[string]*node_def_go_proto.NodeDef, len(b.nodes))
	for _, n := range b.nodes {
		byName[n.Name] = n
	}
	known := make(map[string][]value)
	var visit func(n *node_def_go_proto.NodeDef) []value
	get := func(ref string) value {
		if v, ok := args[canonical(ref)]; ok {
			return v
		}
		n := byName[tensorNode(ref)]
		if n == nil {
			p.refuse("the graph has no tensor %q", ref)
			return value{}
		}
		return output(visit(n), ref)
	}
	visit = func(n *node_def_go_proto.NodeDef) []value {
		if v, ok := known[n.Name]; ok {
			return v
		}
		known[n.Name] = nil // a loop in the graph ends here
		if _, fed := args[n.Name]; fed && b.name == "" {
			return nil
		}
		var inputs []value
		for _, in := range n.Input {
			if !strings.HasPrefix(in, "^") {
				inputs = append(inputs, get(in))
			}
		}
		if f := p.functions[callee(n)]; f != nil {
			inner := make(map[string]value)
			for i, name := range f.arguments {
				if i < len(inputs) {
					inner[name] = inputs[i]
				}
			}
			known[n.Name] = p.walk(f, inner, depth+1)
		} else {
			known[n.Name] = []value{p.look(n, inputs)}
		}
		return known[n.Name]
	}
	for _, n := range b.nodes {
		visit(n)
	}
	returned := make([]value, len(b.returns))
	for i, ref := range b.returns {
		returned[i] = get(ref)
	}
	return returned
}

// callee is the function that a node calls as a part of the graph, or "".
func callee(n *node_def_go_proto.NodeDef) string {
	if n.Op == "PartitionedCall" || n.Op == "StatefulPartitionedCall" {
		return n.Attr["f"].GetFunc().GetName()
	}
	return n.Op
}

// output is the value that the reference, "node:1" or "node:name:1", has among those of its node.
func output(values []value, ref string) value {
	i := 0
	if at := strings.LastIndexByte(ref, ':'); at >= 0 {
		i, _ = strconv.Atoi(ref[at+1:])
	}
	switch {
	case len(values) == 1:
		return values[0]
	case i < len(values):
		return values[i]
	}
	return value{}
}

func canonical(ref string) string { return strings.TrimSuffix(ref, ":0") }

// look judges one node, and says what is known of its result.
func (p *portable) look(n *node_def_go_proto.NodeDef, inputs []value) value {
	if n.Op == "Const" {
		return value{constant: n.Attr["value"].GetTensor()}
	}
	if shapeOps[n.Op] {
		return value{shapes: true}
	}
	fixed := !slices.ContainsFunc(inputs, func(v value) bool { return !v.fixed() })
	rule, known := portableOps[n.Op]
	if !known {
		p.refuse("%s (node %q) is not known to answer alike, and to fail alike, in every engine", n.Op, n.Name)
		return value{}
	}
	for name, a := range n.Attr {
		if dt := a.GetType(); dt != types_go_proto.DataType_DT_INVALID && !strings.HasPrefix(name, "_") && !portableTypes[dt] {
			p.refuse("%s (node %q) computes %v", n.Op, n.Name, dt)
		}
	}
	if fixed && len(inputs) > 0 {
		if rule.picks && slices.ContainsFunc(inputs[1:], func(v value) bool { return v.constant == nil }) {
			p.refuse("%s (node %q) may be asked for an element that is not there", n.Op, n.Name)
		}
		if rule.same {
			return inputs[0]
		}
		return value{shapes: true}
	}
	if p.open && rule.closed {
		p.refuse("%s (node %q) may fail on some shapes", n.Op, n.Name)
	}
	for _, i := range rule.sizes {
		if i < 0 {
			i += len(inputs)
		}
		if i >= 0 && i < len(inputs) && !inputs[i].fixed() {
			p.refuse("%s (node %q) takes sizes that are neither constant nor shapes", n.Op, n.Name)
		}
	}
	for _, v := range inputs {
		p.checkConstant(n, v.constant)
	}
	if v := p.countsFromEnd(n, inputs); v != nil {
		return *v
	}
	if why := rule.check(p, n, inputs); why != "" {
		p.refuse("%s (node %q) %s", n.Op, n.Name, why)
	}
	if rule.moves && len(inputs) > 0 {
		return value{input: inputs[0].input}
	}
	return value{}
}

// countsFromEnd follows what Keras does to indices: where(i < 0, i + n, i). nil: the node is no part of that.
func (p *portable) countsFromEnd(n *node_def_go_proto.NodeDef, in []value) *value {
	switch {
	case n.Op == "Less" && in[0].input != "" && slices.Equal(integersOf(in[1].constant), []int64{0}):
		return &value{negative: in[0].input}
	case (n.Op == "AddV2" || n.Op == "Add") && in[0].input != "" && n.Attr["T"].GetType() != types_go_proto.DataType_DT_FLOAT:
		if in[1].fixed() {
			return &value{plus: in[0].input}
		}
	case n.Op == "SelectV2" && in[2].input != "" && in[0].negative == in[2].input && in[1].plus == in[2].input:
		p.bound(in[2].input, 0, math.MaxInt32)
		return &value{input: in[2].input}
	}
	if slices.ContainsFunc(in, func(v value) bool { return v.plus != "" }) {
		p.refuse("%s (node %q) computes with integers", n.Op, n.Name)
	}
	return nil
}

// checkConstant refuses integers that are no int32.
func (p *portable) checkConstant(n *node_def_go_proto.NodeDef, t *tensor_go_proto.TensorProto) {
	if t.GetDtype() != types_go_proto.DataType_DT_INT64 {
		return
	}
	wide := slices.ContainsFunc(t.Int64Val, func(v int64) bool { return v != int64(int32(v)) })
	for raw := t.TensorContent; len(raw) >= 8 && !wide; raw = raw[8:] {
		v := binary.LittleEndian.Uint64(raw)
		wide = int64(v) != int64(int32(v))
	}
	if wide {
		p.refuse("%s (node %q) takes an integer that has more than 32 bits", n.Op, n.Name)
	}
}

// bound narrows what an input's integers may be.
func (p *portable) bound(input string, least, most int64) {
	b, ok := p.bounds[input]
	if !ok {
		b = engine.Bound{Min: math.MinInt32, Max: math.MaxInt32}
	}
	p.bounds[input] = engine.Bound{Min: max(b.Min, least), Max: min(b.Max, most)}
}
