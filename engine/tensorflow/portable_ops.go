package tensorflow

import (
	"encoding/binary"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

// portableTypes are the types that another engine computes as TensorFlow does. OpenVINO computes double as float, half and
// bfloat16 as float, and int64 as int32: the last is allowed for values that are known to fit.
var portableTypes = map[types_go_proto.DataType]bool{
	types_go_proto.DataType_DT_FLOAT: true, types_go_proto.DataType_DT_INT32: true, types_go_proto.DataType_DT_INT64: true,
	types_go_proto.DataType_DT_BOOL: true, types_go_proto.DataType_DT_UINT8: true, types_go_proto.DataType_DT_INT8: true,
	types_go_proto.DataType_DT_INT16: true, types_go_proto.DataType_DT_UINT16: true,
}

// shapeOps give what follows from shapes.
var shapeOps = opSet(`Shape ShapeN Size Rank`)

// portableRule is what has to hold of an op that takes more than constants and shapes. Whether an op fails depends on nothing but
// its inputs' shapes then, and those on the number of rows.
type portableRule struct {
	moves  bool  // the result's elements are those of the first input
	same   bool  // the result is the first input
	picks  bool  // it fails where its other inputs ask for elements that the first one does not have
	closed bool  // it fails on some shapes where another engine may not
	sizes  []int // inputs that say how large the output is, or where to cut; -1: the last
	check  func(p *portable, n *node_def_go_proto.NodeDef, inputs []value) string
}

var portableOps = func() map[string]portableRule {
	rules := make(map[string]portableRule)
	add := func(names string, r portableRule) {
		if r.check == nil {
			r.check = func(*portable, *node_def_go_proto.NodeDef, []value) string { return "" }
		}
		for _, name := range strings.Fields(names) {
			rules[name] = r
		}
	}
	add(`VarHandleOp Placeholder NoOp IdentityN Pack ZerosLike OnesLike LogicalAnd LogicalOr LogicalNot
		Equal NotEqual Less LessEqual Greater GreaterEqual Select SelectV2`, portableRule{})
	add(`Identity Snapshot StopGradient PreventGradient`, portableRule{moves: true, same: true})
	add(`Reshape ExpandDims Transpose`, portableRule{moves: true, sizes: []int{1}})
	add(`Squeeze`, portableRule{moves: true, closed: true})
	add(`ConcatV2`, portableRule{sizes: []int{-1}})
	add(`Concat`, portableRule{sizes: []int{0}})
	add(`Unpack`, portableRule{closed: true})
	add(`Split`, portableRule{closed: true, sizes: []int{0}})
	add(`SplitV`, portableRule{closed: true, sizes: []int{1, 2}})
	add(`ReverseV2 Pad Tile BroadcastTo`, portableRule{sizes: []int{1}})
	add(`MirrorPad DepthToSpace SpaceToDepth`, portableRule{closed: true, sizes: []int{1}})
	add(`PadV2 SpaceToBatchND BatchToSpaceND`, portableRule{closed: true, sizes: []int{1, 2}})
	add(`Fill`, portableRule{sizes: []int{0}})
	add(`OneHot`, portableRule{sizes: []int{1}})
	add(`StridedSlice`, portableRule{sizes: []int{1, 2, 3}, check: checkStridedSlice})
	add(`Slice`, portableRule{picks: true, closed: true, sizes: []int{1, 2}, check: checkSlice})
	add(`Gather`, portableRule{picks: true, check: checkGather})
	add(`GatherV2`, portableRule{picks: true, sizes: []int{2}, check: checkGather})
	add(`Range`, portableRule{sizes: []int{0, 1, 2}})
	add(`Cast`, portableRule{moves: true, check: checkCast})

	add(`Add AddV2 AddN Sub Mul Div RealDiv DivNoNan Maximum Minimum Pow SquaredDifference BiasAdd BiasAddV1
		Neg Abs Sign Floor Ceil Round Rint Exp Expm1 Log Log1p Sqrt Rsqrt Square Reciprocal Inv Sin Cos Tan Erf Erfc
		Relu Relu6 LeakyRelu Elu Selu Sigmoid Tanh Softplus Softsign Softmax LogSoftmax ClipByValue
		MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum Conv2D Conv3D DepthwiseConv2dNative
		MaxPool AvgPool MaxPool3D AvgPool3D LRN`, portableRule{check: checkFloat})
	add(`Mean Sum Prod Max Min ArgMax ArgMin Cumsum`, portableRule{sizes: []int{1}, check: checkFloat})
	add(`All Any`, portableRule{sizes: []int{1}})
	add(`ResizeBilinear ResizeNearestNeighbor`, portableRule{closed: true, sizes: []int{1}, check: checkFloat})
	add(`FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3`, portableRule{check: checkBatchNorm})
	return rules
}()

// checkFloat refuses arithmetic of integers: they may overflow, or be divided by zero.
func checkFloat(_ *portable, n *node_def_go_proto.NodeDef, _ []value) string {
	if dt := n.Attr["T"].GetType(); dt != types_go_proto.DataType_DT_FLOAT {
		return "computes with integers"
	}
	return ""
}

func checkBatchNorm(p *portable, n *node_def_go_proto.NodeDef, inputs []value) string {
	if a := n.Attr["is_training"]; a == nil || a.GetB() {
		return "takes the statistics of the batch"
	}
	return checkFloat(p, n, inputs)
}

// widths of integers, by type; a negative one has no sign.
var widths = map[types_go_proto.DataType]int{
	types_go_proto.DataType_DT_INT64: 32, // as far as such values are allowed
	types_go_proto.DataType_DT_INT32: 32, types_go_proto.DataType_DT_INT16: 16, types_go_proto.DataType_DT_INT8: 8,
	types_go_proto.DataType_DT_UINT16: -16, types_go_proto.DataType_DT_UINT8: -8,
}

// checkCast refuses conversions whose result depends on the engine: of floats to integers, and of integers to narrower ones.
func checkCast(_ *portable, n *node_def_go_proto.NodeDef, _ []value) string {
	from, to := n.Attr["SrcT"].GetType(), n.Attr["DstT"].GetType()
	bool_, float := types_go_proto.DataType_DT_BOOL, types_go_proto.DataType_DT_FLOAT
	switch f, t := widths[from], widths[to]; {
	case from == to, from == bool_, to == bool_, to == float && from != float:
		return ""
	case from == float:
		return "makes integers of floats"
	case f == t, f > 0 && t > f, f < 0 && (t < f || t > -f):
		return ""
	}
	return "makes integers narrower"
}

// checkStridedSlice refuses cuts at places that only some shapes have.
func checkStridedSlice(p *portable, n *node_def_go_proto.NodeDef, inputs []value) string {
	if shrink := n.Attr["shrink_axis_mask"].GetI(); shrink != 0 && (p.open || shrink&1 != 0) {
		return "takes one element of a dimension of any size"
	}
	return ""
}

func checkSlice(_ *portable, _ *node_def_go_proto.NodeDef, inputs []value) string {
	begin, size := integersOf(inputs[1].constant), integersOf(inputs[2].constant)
	if len(begin) == 0 || len(size) == 0 || begin[0] != 0 || size[0] != -1 {
		return "cuts rows"
	}
	return ""
}

// checkGather bounds the indices: TensorFlow fails on those that are out of range, and OpenVINO counts negative ones from the end.
func checkGather(p *portable, _ *node_def_go_proto.NodeDef, inputs []value) string {
	indices := inputs[1]
	if indices.constant != nil {
		return "" // whether it fails depends on the shapes
	}
	axis := int64(0)
	if len(inputs) > 2 {
		list := integersOf(inputs[2].constant)
		if len(list) != 1 {
			return "gathers along an axis that is not known"
		}
		axis = list[0]
	}
	dims := inputs[0].constant.GetTensorShape().GetDim()
	if axis < 0 {
		axis += int64(len(dims))
	}
	if indices.input == "" || inputs[0].constant == nil || axis < 0 || axis >= int64(len(dims)) {
		return "may be asked for an element that is not there"
	}
	p.bound(indices.input, 0, dims[axis].GetSize()-1)
	return ""
}

// integersOf are the values of a small constant of integers; nil: it is none.
func integersOf(t *tensor_go_proto.TensorProto) (list []int64) {
	n := int64(1)
	for _, d := range t.GetTensorShape().GetDim() {
		n *= d.GetSize()
	}
	if t == nil || n < 1 || n > 64 {
		return nil
	}
	wide := t.Dtype == types_go_proto.DataType_DT_INT64
	for i := range n {
		switch {
		case len(t.TensorContent) >= int(n)*8 && wide:
			list = append(list, int64(binary.LittleEndian.Uint64(t.TensorContent[i*8:])))
		case len(t.TensorContent) >= int(n)*4 && !wide:
			list = append(list, int64(int32(binary.LittleEndian.Uint32(t.TensorContent[i*4:]))))
		case wide && len(t.Int64Val) > 0:
			list = append(list, t.Int64Val[min(int(i), len(t.Int64Val)-1)])
		case !wide && len(t.IntVal) > 0:
			list = append(list, int64(t.IntVal[min(int(i), len(t.IntVal)-1)]))
		default:
			list = append(list, 0) // zeros are not written
		}
	}
	return list
}
