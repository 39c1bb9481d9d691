package tensorflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/grpc/status"

	"shoal/engine"
	"shoal/tensor"
)

// Study reads the graph of the model in dir: it adds to the signatures the features that they parse out of tf.Examples and
// whether they are steady, and returns each one's nature, by name. An op that is not known to be free of effects counts as one that
// writes; of a graph that cannot be read it is assumed that every signature writes.
func Study(dir string, tags []string, signatures map[string]*tensor.Signature) map[string]*engine.Nature {
	natures := make(map[string]*engine.Nature, len(signatures))
	_, raw, err := findMetaGraph(dir, Options{Tags: tags}.withDefaults().Tags)
	if err == nil {
		g := bareGraphOf(raw)
		g.addFeatures(signatures)
		g.markSteady(signatures)
		var ops map[string]*op_def_go_proto.OpDef
		if ops, err = opDefinitions(g.opNames()); err == nil {
			for name, sig := range signatures {
				natures[name] = g.nature(sig, ops)
			}
			return natures
		}
	}
	for name := range signatures {
		natures[name] = &engine.Nature{Writes: "its graph cannot be read: " + status.Convert(err).Message()}
	}
	return natures
}

func (g *bareGraph) opNames() map[string]bool {
	names := make(map[string]bool)
	add := func(b *body) {
		for i := range b.nodes {
			names[b.nodes[i].op] = true
		}
	}
	add(g.main)
	for _, f := range g.functions {
		add(f)
	}
	return names
}

// study walks over everything that one signature runs.
type study struct {
	graph  *bareGraph
	ops    map[string]*op_def_go_proto.OpDef
	called map[string]bool // functions seen
	mixing map[string]bool
	found  engine.Nature
}

// nature walks from the signature's outputs back to everything that they need, including control inputs. If a function is called,
// every node of it counts, because TensorFlow runs nodes with effects even if no output needs them.
func (g *bareGraph) nature(sig *tensor.Signature, ops map[string]*op_def_go_proto.OpDef) *engine.Nature {
	s := &study{graph: g, ops: ops, called: make(map[string]bool), mixing: make(map[string]bool)}
	index := make(map[string]*bareNode, len(g.main.nodes))
	for i := range g.main.nodes {
		index[g.main.nodes[i].name] = &g.main.nodes[i]
	}
	seen := make(map[string]bool)
	var todo []string
	for _, out := range sig.Outputs {
		todo = append(todo, tensorNode(out.TensorName))
	}
	for _, in := range sig.Inputs {
		seen[tensorNode(in.TensorName)] = true // it is fed, so the nodes that compute it do not run
	}
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n := index[name]
		if n == nil || seen[name] {
			continue
		}
		seen[name] = true
		s.look(g.main, n)
		for _, in := range n.inputs {
			todo = append(todo, tensorNode(strings.TrimPrefix(in, "^")))
		}
	}
	s.found.Mixing = slices.Sorted(maps.Keys(s.mixing))
	return &s.found
}

// call visits a function, once.
func (s *study) call(name string) {
	f := s.graph.functions[name]
	if f == nil || s.called[name] {
		return
	}
	s.called[name] = true
	for i := range f.nodes {
		s.look(f, &f.nodes[i])
	}
}

func (s *study) look(in *body, n *bareNode) {
	if n.op == "Const" || n.op == "Placeholder" || n.op == "NoOp" {
		return
	}
	def := n.decode()
	for _, a := range def.GetAttr() {
		s.call(a.GetFunc().GetName())
		for _, f := range a.GetList().GetFunc() {
			s.call(f.GetName())
		}
	}
	switch {
	case s.graph.functions[n.op] != nil: // a function as an op
		s.call(n.op)
	case randomOps[n.op]:
		if def.GetAttr()["seed"].GetI() != 0 || def.GetAttr()["seed2"].GetI() != 0 {
			s.writes(n, "with a seed, it goes on from run to run")
		} else if s.found.Random == "" {
			s.found.Random = n.op
		}
	case !s.harmless(n.op, def):
		s.writes(n, "")
	}
	if format := decodesImages[n.op]; format != "" {
		s.found.Images = format
	}
	if in.mixes(n) {
		s.mixing[n.op] = true
	}
}

func (s *study) writes(n *bareNode, why string) {
	if s.found.Writes != "" {
		return
	}
	s.found.Writes = fmt.Sprintf("%s (node %q)", n.op, n.name)
	switch {
	case s.ops[n.op] == nil:
		why = "the op is not known"
	case why == "" && !strings.HasPrefix(n.op, "Assign"):
		why = "the op is not known to be free of effects"
	}
	if why != "" {
		s.found.Writes += ": " + why
	}
}

// harmless reports whether the op has no effects. TensorFlow marks ops with state. An op without this mark that takes a resource
// or a reference is not trusted either.
func (s *study) harmless(op string, def *node_def_go_proto.NodeDef) bool {
	switch {
	case readingOps[op] || strings.HasPrefix(op, "TensorArray"):
		return true
	case op == "PrintV2":
		return !strings.HasPrefix(string(def.GetAttr()["output_stream"].GetS()), "file://")
	case op == "XlaCallModule": // its functions were visited
		return !def.GetAttr()["has_token_input_output"].GetB()
	}
	d := s.ops[op]
	if d == nil || d.GetIsStateful() {
		return false
	}
	return !slices.ContainsFunc(d.GetInputArg(), func(a *op_def_go_proto.OpDef_ArgDef) bool {
		return a.GetIsRef() || a.GetType() == types_go_proto.DataType_DT_RESOURCE
	})
}
