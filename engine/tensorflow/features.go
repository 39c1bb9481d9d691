package tensorflow

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

// Field numbers of what lies below a MetaGraphDef's graph.
const (
	fieldNode      = 1 // of GraphDef
	fieldLibrary   = 2
	fieldFunction  = 1 // of FunctionDefLibrary
	fieldSignature = 1 // of FunctionDef
	fieldNodeDef   = 3
	fieldArgument  = 2 // of OpDef
	fieldName      = 1 // of OpDef, ArgDef and NodeDef
	fieldOp        = 2 // of NodeDef
	fieldInput     = 3
)

// maxCalls is how deep calls of functions are followed; Python nests them twice.
const maxCalls = 16

// addFeatures finds which features the graph parses from tf.Examples, for the signatures that take some, and adds them to the
// signatures. Features that it does not find stay unknown. Only example requests and synthetic inputs depend on them.
func (g *bareGraph) addFeatures(signatures map[string]*tensor.Signature) {
	for _, sig := range signatures {
		if len(sig.Inputs) != 1 || sig.Inputs[0].DType != tensor.String {
			continue
		}
		p := parsing{functions: g.functions}
		p.follow(g.main, tensorNode(sig.Inputs[0].TensorName), 0)
		sig.Features = p.sorted()
	}
}

// bareGraph is the main graph and the functions, by name.
type bareGraph struct {
	main      *body
	functions map[string]*body
}

// body is a graph or a function: its nodes, of which only names are decoded, because constants can be large.
type body struct {
	arguments []string
	nodes     []bareNode
}

type bareNode struct {
	name, op string
	inputs   []string
	raw      []byte
}

// bareGraphOf reads the main graph and the functions of a MetaGraphDef.
func bareGraphOf(metaGraph []byte) *bareGraph {
	main, functions := new(body), make(map[string]*body)
	for graph := range messages(metaGraph, fieldGraphDef) {
		for n := range messages(graph, fieldNode) {
			main.nodes = append(main.nodes, bare(n))
		}
		for library := range messages(graph, fieldLibrary) {
			for function := range messages(library, fieldFunction) {
				f, name := new(body), ""
				for s := range messages(function, fieldSignature) {
					name = text(s, fieldName)
					for argument := range messages(s, fieldArgument) {
						f.arguments = append(f.arguments, text(argument, fieldName))
					}
				}
				for n := range messages(function, fieldNodeDef) {
					f.nodes = append(f.nodes, bare(n))
				}
				functions[name] = f
			}
		}
	}
	return &bareGraph{main, functions}
}

func bare(raw []byte) bareNode {
	n := bareNode{name: text(raw, fieldName), op: text(raw, fieldOp), raw: raw}
	for input := range messages(raw, fieldInput) {
		n.inputs = append(n.inputs, string(input))
	}
	return n
}

// messages yields the values of a field that are bytes. It stops where the encoding is broken.
func messages(raw []byte, field protowire.Number) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(raw) > 0 {
			num, typ, n := protowire.ConsumeTag(raw)
			if n < 0 {
				return
			}
			m := protowire.ConsumeFieldValue(num, typ, raw[n:])
			if m < 0 {
				return
			}
			if num == field && typ == protowire.BytesType {
				value, _ := protowire.ConsumeBytes(raw[n:])
				if !yield(value) {
					return
				}
			}
			raw = raw[n+m:]
		}
	}
}

func text(raw []byte, field protowire.Number) (s string) {
	for value := range messages(raw, field) {
		s = string(value)
	}
	return s
}

// tensorNode returns the node, or the argument, with which a tensor's name begins.
func tensorNode(name string) string {
	node, _, _ := strings.Cut(name, ":")
	return node
}

// parsing collects the features that are parsed from a tensor of examples.
type parsing struct {
	functions map[string]*body
	features  map[string]tensor.Feature
}

// follow visits the readers of a tensor, also in functions.
func (p *parsing) follow(in *body, name string, depth int) {
	if depth > maxCalls {
		return
	}
	for i := range in.nodes {
		n := &in.nodes[i]
		at := slices.IndexFunc(n.inputs, func(input string) bool { return tensorNode(input) == name })
		if at < 0 {
			continue
		}
		switch n.op {
		case "ParseExample", "ParseExampleV2":
			if at == 0 {
				p.parse(in, n)
			}
		case "Identity":
			p.follow(in, n.name, depth+1)
		case "PartitionedCall", "StatefulPartitionedCall":
			if f := p.functions[n.decode().GetAttr()["f"].GetFunc().GetName()]; f != nil && at < len(f.arguments) {
				p.follow(f, f.arguments[at], depth+1)
			}
		}
	}
}

func (n *bareNode) decode() *node_def_go_proto.NodeDef {
	def := new(node_def_go_proto.NodeDef)
	_ = proto.Unmarshal(n.raw, def) // a broken one has no attributes
	return def
}

// parse reads the keys of one parsing node. The first version of the op has an input per key, the second a list.
func (p *parsing) parse(in *body, n *bareNode) {
	attr := n.decode().GetAttr()
	sparse, dense := attr["sparse_types"].GetList().GetType(), attr["Tdense"].GetList().GetType()
	ragged := attr["ragged_value_types"].GetList().GetType()
	var keys []string
	first, count := 2, len(sparse)+len(dense)
	if n.op == "ParseExampleV2" {
		count = 3
	}
	for i := first; i < first+count && i < len(n.inputs); i++ {
		keys = append(keys, in.strings(tensorNode(n.inputs[i]))...)
	}
	if len(keys) != len(sparse)+len(dense)+len(ragged) {
		return // a key is computed
	}
	for i, dt := range slices.Concat(sparse, dense, ragged) {
		f := tensor.Feature{Name: keys[i], DType: tensor.DType(dt), Any: true}
		if k := i - len(sparse); k >= 0 && k < len(dense) {
			f.Shape, f.Any = denseShape(attr["dense_shapes"], k)
		}
		if p.features == nil {
			p.features = make(map[string]tensor.Feature)
		}
		p.features[f.Name] = f
	}
}

// denseShape returns the shape of a feature with a fixed shape. If only its first dimension is open, the feature takes any number
// of values.
func denseShape(attr *attr_value_go_proto.AttrValue, i int) (shape tensor.Shape, any bool) {
	shapes := attr.GetList().GetShape()
	if i >= len(shapes) || shapes[i].GetUnknownRank() {
		return nil, true
	}
	shape = make(tensor.Shape, len(shapes[i].GetDim()))
	for k, d := range shapes[i].GetDim() {
		shape[k] = d.GetSize()
	}
	if _, ok := shape.Elements(); !ok {
		return nil, true
	}
	return shape, false
}

// strings returns the values of a constant.
func (b *body) strings(name string) (list []string) {
	i := slices.IndexFunc(b.nodes, func(n bareNode) bool { return n.name == name && n.op == "Const" })
	if i < 0 {
		return nil
	}
	for _, s := range b.nodes[i].decode().GetAttr()["value"].GetTensor().GetStringVal() {
		list = append(list, string(s))
	}
	return list
}

func (p *parsing) sorted() (list []tensor.Feature) {
	for _, f := range p.features {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b tensor.Feature) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
