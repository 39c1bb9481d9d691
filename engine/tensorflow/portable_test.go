package tensorflow

import (
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"

	"shoal/engine"
)

// graphOf is a meta graph of one signature whose input "x" is of the type and shape, and whose output is the node "y".
func graphOf(t *testing.T, dtype, shape, nodes string) *pb.MetaGraphDef {
	t.Helper()
	dims := ""
	for d := range strings.FieldsSeq(shape) {
		dims += "dim { size: " + d + " } "
	}
	graph := new(graph_go_proto.GraphDef)
	text := `node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: ` + dtype + ` } } }
		node { name: "zero" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 0 } } } }
		node { name: "two" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: 2 } } } }
		node { name: "table" op: "Const" attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 7 } dim { size: 3 } } float_val: 1 } } } }
		node { name: "lookup" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 7 } } int_val: 1 } } } }
		node { name: "wide" op: "Const" attr { key: "value" value { tensor { dtype: DT_INT64 tensor_shape { } int64_val: 9999999999 } } } }
		node { name: "shape" op: "Shape" input: "x" attr { key: "T" value { type: ` + dtype + ` } } }
		` + nodes
	if err := prototext.Unmarshal([]byte(text), graph); err != nil {
		t.Fatal(err)
	}
	sig := new(pb.SignatureDef)
	if err := prototext.Unmarshal([]byte(`inputs { key: "x" value { name: "x:0" dtype: `+dtype+` tensor_shape { `+dims+` } } }
		outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } }`), sig); err != nil {
		t.Fatal(err)
	}
	return &pb.MetaGraphDef{GraphDef: graph, SignatureDef: map[string]*pb.SignatureDef{"serving_default": sig}}
}

// TestPortability: an op that can fail on values, or that another engine computes otherwise, is not given away.
func TestPortability(t *testing.T) {
	const floats, ints = "DT_FLOAT", "DT_INT32"
	typed := func(name, dtype string) string {
		return ` attr { key: "` + name + `" value { type: ` + dtype + ` } }`
	}
	for name, c := range map[string]struct{ dtype, shape, nodes, refused string }{
		"floats":             {floats, "-1 4", `node { name: "y" op: "Relu" input: "x"` + typed("T", floats) + `}`, ""},
		"an unknown op":      {floats, "-1", `node { name: "y" op: "Frobnicate" input: "x" }`, `Frobnicate (node "y") is not known`},
		"an assertion":       {floats, "-1", `node { name: "y" op: "CheckNumerics" input: "x" }`, "CheckNumerics"},
		"a loop":             {floats, "-1", `node { name: "y" op: "While" input: "x" }`, "While"},
		"a module of XLA":    {floats, "-1", `node { name: "y" op: "XlaCallModule" input: "x" }`, "XlaCallModule"},
		"doubles":            {"DT_DOUBLE", "-1", `node { name: "y" op: "Relu" input: "x" }`, "type DT_DOUBLE"},
		"strings":            {"DT_STRING", "-1", `node { name: "y" op: "Identity" input: "x" }`, "type DT_STRING"},
		"doubles inside":     {floats, "-1", `node { name: "y" op: "Cast" input: "x"` + typed("SrcT", floats) + typed("DstT", "DT_DOUBLE") + `}`, "DT_DOUBLE"},
		"integer division":   {ints, "-1", `node { name: "y" op: "FloorDiv" input: "x" input: "zero"` + typed("T", ints) + `}`, "FloorDiv"},
		"integer product":    {ints, "-1", `node { name: "y" op: "Mul" input: "x" input: "x"` + typed("T", ints) + `}`, "computes with integers"},
		"floats to integers": {floats, "-1", `node { name: "y" op: "Cast" input: "x"` + typed("SrcT", floats) + typed("DstT", ints) + `}`, "makes integers of floats"},
		"integers to floats": {ints, "-1", `node { name: "y" op: "Cast" input: "x"` + typed("SrcT", ints) + typed("DstT", floats) + `}`, ""},
		"narrower integers":  {ints, "-1", `node { name: "y" op: "Cast" input: "x"` + typed("SrcT", ints) + typed("DstT", "DT_INT8") + `}`, "narrower"},
		"a wide integer":     {"DT_INT64", "-1", `node { name: "y" op: "Equal" input: "x" input: "wide"` + typed("T", "DT_INT64") + `}`, "more than 32 bits"},
		"indices":            {ints, "-1", `node { name: "y" op: "GatherV2" input: "table" input: "x" input: "zero"` + typed("Tparams", floats) + `}`, ""},
		"computed indices": {ints, "-1", `node { name: "i" op: "GatherV2" input: "lookup" input: "x" input: "zero"` + typed("Tparams", ints) + `}
			node { name: "y" op: "GatherV2" input: "table" input: "i" input: "zero"` + typed("Tparams", floats) + `}`, "asked for an element that is not there"},
		"indices of a computed table":     {ints, "-1", `node { name: "y" op: "GatherV2" input: "x" input: "x" input: "zero"` + typed("Tparams", ints) + `}`, "asked for an element"},
		"positions by the number of rows": {floats, "-1", `node { name: "y" op: "Slice" input: "table" input: "two" input: "shape"` + typed("T", floats) + `}`, "asked for an element"},
		"cut rows":                        {floats, "-1 4", `node { name: "y" op: "Slice" input: "x" input: "two" input: "two"` + typed("T", floats) + `}`, "cuts rows"},
		"one row":                         {floats, "-1 4", `node { name: "y" op: "StridedSlice" input: "x" input: "two" input: "two" input: "two" attr { key: "shrink_axis_mask" value { i: 1 } } }`, "takes one element"},
		"open squeeze":                    {floats, "-1 -1", `node { name: "y" op: "Squeeze" input: "x"` + typed("T", floats) + `}`, "may fail on some shapes"},
		"squeeze":                         {floats, "-1 1", `node { name: "y" op: "Squeeze" input: "x"` + typed("T", floats) + `}`, ""},
		"a size that is a value":          {ints, "-1", `node { name: "y" op: "Fill" input: "x" input: "zero" }`, "neither constant nor shapes"},
		"the shape's arithmetic": {floats, "-1 4", `node { name: "n" op: "Mul" input: "shape" input: "two"` + typed("T", ints) + `}
			node { name: "y" op: "Reshape" input: "x" input: "n"` + typed("T", floats) + `}`, ""},
	} {
		refused, _ := portability(graphOf(t, c.dtype, c.shape, c.nodes))
		if (refused == "") != (c.refused == "") || !strings.Contains(refused, c.refused) {
			t.Errorf("%s: refused %q, want %q", name, refused, c.refused)
		}
	}
}

// TestIndicesAreBounded: those that TensorFlow fails on are left to it, through what Keras puts in between.
func TestIndicesAreBounded(t *testing.T) {
	const ints = ` attr { key: "T" value { type: DT_INT32 } }`
	for name, nodes := range map[string]string{
		"directly": `node { name: "y" op: "GatherV2" input: "table" input: "x" input: "zero" }`,
		"reshaped": `node { name: "i" op: "Reshape" input: "x" input: "two"` + ints + `} node { name: "y" op: "Gather" input: "table" input: "i" }`,
		"by Keras": `node { name: "below" op: "Less" input: "x" input: "zero"` + ints + `}
			node { name: "sum" op: "AddV2" input: "x" input: "two"` + ints + `}
			node { name: "i" op: "SelectV2" input: "below" input: "sum" input: "x"` + ints + `}
			node { name: "y" op: "GatherV2" input: "table" input: "i" input: "zero" }`,
	} {
		refused, bounds := portability(graphOf(t, "DT_INT32", "-1", nodes))
		if refused != "" || bounds["x"] != (engine.Bound{Min: 0, Max: 6}) {
			t.Errorf("%s: refused %q, bounds %v, want 0 to 6", name, refused, bounds)
		}
	}
	refused, _ := portability(graphOf(t, "DT_INT32", "-1", `node { name: "sum" op: "AddV2" input: "x" input: "two"`+ints+`} node { name: "y" op: "Identity" input: "sum" }`))
	if !strings.Contains(refused, "computes with integers") {
		t.Errorf("a sum that is no index: refused %q", refused)
	}
}
