package tensorflow

import (
	"slices"
	"strings"

	"shoal/tensor"
)

// steadyOps are ops whose time, and the shapes of whose outputs, depend only on the shapes of their inputs. None of them loops,
// waits, reads external data, or takes strings, whose length is not part of a shape.
var steadyOps = opSet(`
	Placeholder PlaceholderWithDefault Const Identity IdentityN NoOp StopGradient PreventGradient Snapshot
	VarHandleOp ReadVariableOp VariableV2 Variable
	Cast Shape ShapeN Size Rank Reshape Squeeze ExpandDims Transpose ConcatV2 Concat Pack Unpack Split SplitV Slice StridedSlice
	GatherV2 Gather ResourceGather ReverseV2 ZerosLike OnesLike DepthToSpace SpaceToDepth
	Add AddV2 AddN Sub Mul Div RealDiv DivNoNan FloorDiv FloorMod Maximum Minimum Pow SquaredDifference BiasAdd
	Neg Abs Sign Floor Ceil Round Rint Exp Expm1 Log Log1p Sqrt Rsqrt Square Reciprocal Inv Sin Cos Tan Erf Erfc ClipByValue
	Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh Softplus Softsign Softmax LogSoftmax
	Mean Sum Max Min Prod All Any ArgMax ArgMin Cumsum L2Loss
	Equal NotEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot Select SelectV2 IsNan IsInf IsFinite
	MatMul BatchMatMul BatchMatMulV2 Einsum Conv2D Conv3D DepthwiseConv2dNative
	MaxPool MaxPoolV2 AvgPool MaxPool3D AvgPool3D LRN FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3`)

// sizedOps are steady if the inputs with these numbers, which give the size of the output, are constants.
var sizedOps = map[string][]int{
	"Pad": {1}, "PadV2": {1}, "MirrorPad": {1}, "Tile": {1}, "OneHot": {1}, "TopKV2": {1}, "ResizeBilinear": {1}, "ResizeNearestNeighbor": {1},
	"SpaceToBatchND": {1, 2}, "BatchToSpaceND": {1, 2},
}

func opSet(names string) map[string]bool {
	set := make(map[string]bool)
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// markSteady marks the signatures whose runs with inputs of the same shapes take the same time, whatever the values are. Not all
// such signatures are found.
func (g *bareGraph) markSteady(signatures map[string]*tensor.Signature) {
	s := steadiness{main: g.main, functions: g.functions, steady: make(map[string]bool)}
	for _, sig := range signatures {
		sig.Steady = s.of(sig)
	}
}

// steadiness checks the ops that a graph runs.
type steadiness struct {
	main      *body
	functions map[string]*body
	steady    map[string]bool // functions that were checked, or are being checked
	nodes     map[string]*bareNode
}

// of checks everything that the signature's outputs need.
func (s *steadiness) of(sig *tensor.Signature) bool {
	if s.nodes == nil {
		s.nodes = make(map[string]*bareNode, len(s.main.nodes))
		for i := range s.main.nodes {
			s.nodes[s.main.nodes[i].name] = &s.main.nodes[i]
		}
	}
	seen := make(map[string]bool)
	var wanted []string
	for i := range sig.Outputs {
		wanted = append(wanted, sig.Outputs[i].TensorName)
	}
	for len(wanted) > 0 {
		name := strings.TrimPrefix(tensorNode(wanted[len(wanted)-1]), "^")
		wanted = wanted[:len(wanted)-1]
		if seen[name] {
			continue
		}
		seen[name] = true
		n := s.nodes[name]
		if n == nil || !s.runs(s.main, n) {
			return false
		}
		wanted = append(wanted, n.inputs...)
	}
	return true
}

// runs checks one node, and the function that it calls.
func (s *steadiness) runs(in *body, n *bareNode) bool {
	if sizes, sized := sizedOps[n.op]; sized {
		return !slices.ContainsFunc(sizes, func(i int) bool { return i >= len(n.inputs) || !in.isConstant(tensorNode(n.inputs[i])) })
	}
	switch n.op {
	case "PartitionedCall", "StatefulPartitionedCall":
		return s.function(n.decode().GetAttr()["f"].GetFunc().GetName())
	}
	return steadyOps[n.op]
}

// function checks all nodes of a function. A function that calls itself is not steady.
func (s *steadiness) function(name string) bool {
	if steady, known := s.steady[name]; known {
		return steady
	}
	s.steady[name] = false
	f := s.functions[name]
	if f == nil {
		return false
	}
	for i := range f.nodes {
		if !s.runs(f, &f.nodes[i]) {
			return false
		}
	}
	s.steady[name] = true
	return true
}

func (b *body) isConstant(name string) bool {
	return slices.ContainsFunc(b.nodes, func(n bareNode) bool { return n.name == name && n.op == "Const" })
}
