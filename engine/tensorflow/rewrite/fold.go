package rewrite

import (
	"slices"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// folder moves batch norms into the convolutions before them:
//
//	(conv(x, W) + b)·s + t  =  conv(x, W·s) + (b·s + t)
//
// It changes the graph only: TensorFlow computes W·s and b·s + t once, when it folds constants before the first run. It does
// the same by itself where there is no b. The results differ by rounding.
type folder struct {
	g         *graph
	readers   map[string]int      // of each node's outputs: data, control, and what the graph returns
	constants map[string]constant // by reference; the arguments of a function that are frozen to begin with
	renamed   map[string]string   // outputs that have another name now
	gone      map[string]bool     // nodes that nothing reads any more
}

// newFolder looks at the nodes of g that are live (nil: all).
func newFolder(g *graph, live map[string]bool, args map[string]*variable) *folder {
	f := &folder{g: g, readers: make(map[string]int), constants: make(map[string]constant), renamed: make(map[string]string), gone: make(map[string]bool)}
	for _, n := range g.nodes {
		if live != nil && !live[n.Name] {
			continue
		}
		for _, in := range n.Input {
			f.readers[nodeOf(in)]++
		}
	}
	if g.fn != nil {
		for _, ref := range g.fn.Ret {
			f.readers[nodeOf(ref)]++
		}
		for _, name := range g.fn.ControlRet {
			f.readers[name]++
		}
	}
	for ref, v := range args {
		f.constants[ref] = constant{dims: v.dims(), known: true, ok: true}
	}
	return f
}

// keep makes the folder leave these tensors as they are.
func (f *folder) keep(refs []string) {
	for _, ref := range refs {
		f.readers[nodeOf(ref)]++
	}
}

// fold does all it can and returns the number of batch norms folded.
func (f *folder) fold() (folded int) {
	for _, n := range slices.Clone(f.g.nodes) {
		if n.Attr["T"].GetType() != types_go_proto.DataType_DT_FLOAT || f.gone[n.Name] {
			continue
		}
		switch n.Op {
		case "AddV2", "Add":
			folded += f.foldSum(n)
		case "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3":
			folded += f.foldFused(n)
		}
	}
	f.g.rename(f.renamed)
	f.g.nodes = slices.DeleteFunc(f.g.nodes, func(n *node) bool { return f.gone[n.Name] })
	return folded
}

// foldSum folds y·s + t.
func (f *folder) foldSum(sum *node) int {
	product, t := f.operands(sum, "Mul")
	if product == nil {
		return 0
	}
	y, s := f.operands(product, "Conv2D", "DepthwiseConv2dNative", "BiasAdd", "AddV2", "Add")
	if y == nil {
		return 0
	}
	conv, bias := f.convolution(y)
	if conv == nil || !f.perChannel(conv, s) || !f.perChannel(conv, t) {
		return 0
	}
	f.gone[product.Name] = true
	f.join(sum, y, conv, bias, s, t, "z")
	return 1
}

// foldFused folds TensorFlow's own op for y·s + t, where s = scale/√(variance+ε) and t = offset − mean·s.
func (f *folder) foldFused(n *node) int {
	in := dataInputs(n)
	training := n.Attr["is_training"]
	if len(in) != 5 || training == nil || training.GetB() || f.readers[n.Name] == 0 || !nhwc(n) ||
		(n.Attr["U"] != nil && n.Attr["U"].GetType() != types_go_proto.DataType_DT_FLOAT) || !f.onlyFirstOutput(n.Name) {
		return 0
	}
	y := f.producer(in[0])
	if y == nil || f.readers[y.Name] != 1 {
		return 0
	}
	conv, bias := f.convolution(y)
	if conv == nil {
		return 0
	}
	for _, ref := range in[1:] {
		if !f.perChannel(conv, ref) {
			return 0
		}
	}
	epsilon := float32(0.0001) // the op's default
	if a := n.Attr["epsilon"]; a != nil {
		epsilon = a.GetF()
	}
	scale, offset, mean, variance := in[1], in[2], in[3], in[4]
	e := constNode(f.g.unused(n.Name+"/epsilon"), n.Device, &tensorProto{Dtype: types_go_proto.DataType_DT_FLOAT, TensorShape: shapeOf(), FloatVal: []float32{epsilon}})
	f.g.add(e)
	deviation := f.op(n, "Rsqrt", "y", f.op(n, "AddV2", "z", variance, f.g.ref(e.Name, "output", 0, 0)))
	s := f.op(n, "Mul", "z", scale, deviation)
	t := f.op(n, "Sub", "z", offset, f.op(n, "Mul", "z", mean, s))
	f.join(n, y, conv, bias, s, t, "y")
	return 1
}

// join makes last, which was the batch norm's last node, the bias of the convolution with scaled weights. y is the node that
// the batch norm began with: the convolution itself, or its bias.
func (f *folder) join(last, y, conv *node, bias, s, t, output string) {
	channels := f.channels(conv)
	s, t = f.shaped(last, s, channels), f.shaped(last, t, channels)
	weightScale := s
	if conv.Op == "DepthwiseConv2dNative" { // weights [h, w, in, multiplier] make in·multiplier channels, in this order
		w := f.constant(conv.Input[1]).dims
		weightScale = f.shaped(conv, s, w[2], w[3])
	}
	conv.Input[1] = f.op(conv, "Mul", "z", conv.Input[1], weightScale)
	if bias != "" {
		t = f.op(last, "AddV2", "z", f.op(last, "Mul", "z", f.shaped(last, bias, channels), s), t)
	}
	if y != conv {
		f.gone[y.Name] = true
	}
	become(last, "BiasAdd", []string{f.g.ref(conv.Name, "output", 0, 0), t}, map[string]*attr{"T": typeAttr(types_go_proto.DataType_DT_FLOAT)})
	f.renamed[f.g.ref(last.Name, output, 0, 0)] = f.g.ref(last.Name, "output", 0, 0)
}

// shaped gives a constant these dimensions.
func (f *folder) shaped(n *node, ref string, dims ...int64) string {
	if c := f.constant(ref); c.known && slices.Equal(c.dims, dims) {
		return ref
	}
	shape := constNode(f.g.unused(n.Name+"/shape"), n.Device, int64Vector(dims))
	f.g.add(shape)
	return f.op(n, "Reshape", "output", ref, f.g.ref(shape.Name, "output", 0, 0))
}

// op adds an op on floats beside n and returns its output.
func (f *folder) op(n *node, op, output string, inputs ...string) string {
	made := &node{Name: f.g.unused(n.Name + "/folded_" + strings.ToLower(op)), Op: op, Device: n.Device, Input: inputs,
		Attr: map[string]*attr{"T": typeAttr(types_go_proto.DataType_DT_FLOAT)}}
	if op == "Reshape" {
		made.Attr["Tshape"] = typeAttr(types_go_proto.DataType_DT_INT64)
	}
	f.g.add(made)
	return f.g.ref(made.Name, output, 0, 0)
}

// convolution finds the convolution with constant weights, and its bias if there is one, whose result y is.
func (f *folder) convolution(y *node) (conv *node, bias string) {
	conv = y
	switch y.Op {
	case "BiasAdd":
		conv, bias = f.producer(y.Input[0]), y.Input[1]
		if !nhwc(y) || !f.constant(bias).ok {
			return nil, ""
		}
	case "AddV2", "Add":
		if conv, bias = f.operands(y, "Conv2D", "DepthwiseConv2dNative"); conv != nil && !f.perChannel(conv, bias) {
			return nil, ""
		}
	}
	if conv == nil || conv.Op != "Conv2D" && conv.Op != "DepthwiseConv2dNative" || f.readers[conv.Name] != 1 || !nhwc(conv) ||
		conv.Attr["T"].GetType() != types_go_proto.DataType_DT_FLOAT || len(controlInputs(y)) > 0 {
		return nil, ""
	}
	if w := f.constant(conv.Input[1]); !w.ok || !w.known || len(w.dims) != 4 {
		return nil, ""
	}
	return conv, bias
}

// operands splits a sum or product into a node of one of these ops, which nothing else reads, and the other operand.
func (f *folder) operands(n *node, ops ...string) (*node, string) {
	in := dataInputs(n)
	if len(in) != 2 || len(in) != len(n.Input) {
		return nil, ""
	}
	for i, ref := range in {
		p := f.producer(ref)
		if p != nil && slices.Contains(ops, p.Op) && f.readers[p.Name] == 1 && f.constant(in[1-i]).ok {
			return p, in[1-i]
		}
	}
	return nil, ""
}

// perChannel says whether the tensor is a constant with one element for each channel that the convolution makes: [C], or the
// same with leading dimensions of 1.
func (f *folder) perChannel(conv *node, ref string) bool {
	c, channels := f.constant(ref), f.channels(conv)
	if !c.ok || !c.known || len(c.dims) == 0 || len(c.dims) > 4 || channels < 2 {
		return false
	}
	last := len(c.dims) - 1
	return c.dims[last] == channels && !slices.ContainsFunc(c.dims[:last], func(d int64) bool { return d != 1 })
}

// channels is the number of channels that a convolution with known weights makes.
func (f *folder) channels(conv *node) int64 {
	w := f.constant(conv.Input[1]).dims
	if len(w) != 4 {
		return 0
	}
	if conv.Op == "DepthwiseConv2dNative" {
		return w[2] * w[3]
	}
	return w[3]
}

func (f *folder) producer(ref string) *node {
	if strings.HasPrefix(ref, "^") {
		return nil
	}
	return f.g.byName[nodeOf(ref)]
}

// onlyFirstOutput says whether the readers of a node read its first output alone.
func (f *folder) onlyFirstOutput(name string) bool {
	first := f.g.ref(name, "y", 0, 0)
	is := func(ref string) bool { return nodeOf(ref) != name || f.g.canonical(ref) == first }
	for _, n := range f.g.nodes {
		if !slices.ContainsFunc(n.Input, func(in string) bool { return nodeOf(in) == name }) {
			continue
		}
		for _, in := range n.Input {
			if !is(in) {
				return false
			}
		}
	}
	if f.g.fn != nil {
		for _, ref := range f.g.fn.Ret {
			if !is(ref) {
				return false
			}
		}
	}
	return true
}

func nhwc(n *node) bool {
	format := string(n.Attr["data_format"].GetS())
	return format == "" || format == "NHWC"
}
