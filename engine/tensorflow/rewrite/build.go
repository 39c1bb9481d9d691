package rewrite

import (
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
)

type (
	attr        = attr_value_go_proto.AttrValue
	dataType    = types_go_proto.DataType
	tensorProto = tensor_go_proto.TensorProto
	shapeProto  = tensor_shape_go_proto.TensorShapeProto
)

func typeAttr(t dataType) *attr { return &attr{Value: &attr_value_go_proto.AttrValue_Type{Type: t}} }
func intAttr(i int64) *attr     { return &attr{Value: &attr_value_go_proto.AttrValue_I{I: i}} }
func boolAttr(b bool) *attr     { return &attr{Value: &attr_value_go_proto.AttrValue_B{B: b}} }
func shapeAttr(s *shapeProto) *attr {
	return &attr{Value: &attr_value_go_proto.AttrValue_Shape{Shape: s}}
}
func tensorAttr(t *tensorProto) *attr {
	return &attr{Value: &attr_value_go_proto.AttrValue_Tensor{Tensor: t}}
}
func typesAttr(t []dataType) *attr {
	return &attr{Value: &attr_value_go_proto.AttrValue_List{List: &attr_value_go_proto.AttrValue_ListValue{Type: t}}}
}

func shapeOf(dims ...int64) *shapeProto {
	s := new(shapeProto)
	for _, d := range dims {
		s.Dim = append(s.Dim, &tensor_shape_go_proto.TensorShapeProto_Dim{Size: d})
	}
	return s
}

func constNode(name, device string, t *tensorProto) *node {
	return &node{Name: name, Op: "Const", Device: device, Attr: map[string]*attr{"dtype": typeAttr(t.Dtype), "value": tensorAttr(t)}}
}

func int32Scalar(i int32) *tensorProto {
	return &tensorProto{Dtype: types_go_proto.DataType_DT_INT32, TensorShape: shapeOf(), IntVal: []int32{i}}
}

func stringVector(list []string) *tensorProto {
	t := &tensorProto{Dtype: types_go_proto.DataType_DT_STRING, TensorShape: shapeOf(int64(len(list)))}
	for _, s := range list {
		t.StringVal = append(t.StringVal, []byte(s))
	}
	return t
}

func int64Vector(list []int64) *tensorProto {
	return &tensorProto{Dtype: types_go_proto.DataType_DT_INT64, TensorShape: shapeOf(int64(len(list))), Int64Val: list}
}

// stringsOf reads the strings of a Const; the last value stands for all that follow.
func stringsOf(n *node) []string {
	t := n.Attr["value"].GetTensor()
	count := int64(1)
	for _, d := range t.GetTensorShape().GetDim() {
		count *= d.Size
	}
	if count < 0 || count > 1<<24 {
		return nil
	}
	list := make([]string, count)
	for i := range list {
		if last := len(t.StringVal) - 1; last >= 0 {
			list[i] = string(t.StringVal[min(i, last)])
		}
	}
	return list
}

// become turns n into another op with these data inputs and attributes. Its name, device and control inputs stay, and so does
// what TensorFlow's Python noted about XLA; other private attributes (colocation, shapes) may be true no longer.
func become(n *node, op string, inputs []string, attrs map[string]*attr) {
	n.Input = append(append([]string(nil), inputs...), controlInputs(n)...)
	for k, a := range n.Attr {
		if strings.HasPrefix(k, "_Xla") {
			attrs[k] = a
		}
	}
	n.Op, n.Attr, n.ExperimentalDebugInfo = op, attrs, nil
}
