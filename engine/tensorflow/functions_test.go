package tensorflow

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

type attrs = map[string]*attr_value_go_proto.AttrValue

func floatTypes(n int) *attr_value_go_proto.AttrValue {
	list := &attr_value_go_proto.AttrValue_ListValue{}
	for range n {
		list.Type = append(list.Type, types_go_proto.DataType_DT_FLOAT)
	}
	return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_List{List: list}}
}

func funcAttr(name string) *attr_value_go_proto.AttrValue {
	return &attr_value_go_proto.AttrValue{Value: &attr_value_go_proto.AttrValue_Func{Func: &attr_value_go_proto.NameAttrList{Name: name}}}
}

// through is a node that calls a function with one float.
func through(name, input, function string) *node_def_go_proto.NodeDef {
	return &node_def_go_proto.NodeDef{Name: name, Op: "PartitionedCall", Input: []string{input}, Attr: attrs{"f": funcAttr(function), "Tin": floatTypes(1), "Tout": floatTypes(1)}}
}

// oneFloat is a function from x to y, which its last node gives as output:0.
func oneFloat(name string, nodes ...*node_def_go_proto.NodeDef) *function_go_proto.FunctionDef {
	arg := func(name string) []*op_def_go_proto.OpDef_ArgDef {
		return []*op_def_go_proto.OpDef_ArgDef{{Name: name, Type: types_go_proto.DataType_DT_FLOAT}}
	}
	last := nodes[len(nodes)-1]
	return &function_go_proto.FunctionDef{
		Signature: &op_def_go_proto.OpDef{Name: name, InputArg: arg("x"), OutputArg: arg("y")},
		NodeDef:   nodes, Ret: map[string]string{"y": last.Name + ":output:0"},
	}
}

// withFunctions is half_plus_two with further functions, the first of which a node of the main graph calls.
func withFunctions(t *testing.T, dir string, functions []*function_go_proto.FunctionDef, gradients ...*function_go_proto.GradientDef) *pb.SavedModel {
	t.Helper()
	from := testModel(t, "half_plus_two/1")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "saved_model.pb")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	model := new(pb.SavedModel)
	if err := proto.Unmarshal(raw, model); err != nil {
		t.Fatal(err)
	}
	mg := model.MetaGraphs[0]
	sig := mg.SignatureDef["serving_default"]
	for _, in := range sig.Inputs {
		node := through("added", strings.TrimSuffix(in.GetName(), ":0"), functions[0].Signature.Name)
		mg.GraphDef.Node = append(mg.GraphDef.Node, node)
	}
	for name := range sig.Outputs {
		sig.Outputs[name].Encoding = &pb.TensorInfo_Name{Name: "added:0"}
	}
	mg.GraphDef.Library.Function = append(mg.GraphDef.Library.Function, functions...)
	mg.GraphDef.Library.Gradient = append(mg.GraphDef.Library.Gradient, gradients...)
	if raw, err = proto.Marshal(model); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return model
}

// chain are functions that call each the next one so often, down to one that negates.
func chain(length, calls int) (list []*function_go_proto.FunctionDef) {
	for i := range length {
		var nodes []*node_def_go_proto.NodeDef
		for k, input := 0, "x"; k < calls; k++ {
			n := through(fmt.Sprint("call", k), input, fmt.Sprint("f", i+1))
			nodes, input = append(nodes, n), n.Name+":output:0"
		}
		list = append(list, oneFloat(fmt.Sprint("f", i), nodes...))
	}
	last := oneFloat(fmt.Sprint("f", length), &node_def_go_proto.NodeDef{Name: "n", Op: "Neg", Input: []string{"x"},
		Attr: attrs{"T": {Value: &attr_value_go_proto.AttrValue_Type{Type: types_go_proto.DataType_DT_FLOAT}}}})
	last.Ret["y"] = "n:y:0"
	return append(list, last)
}

// Functions without an end, or none that is near, end the process in TensorFlow. They are refused before it sees them.
func TestFunctionsWithoutEnd(t *testing.T) {
	named := func(name, op string) *node_def_go_proto.NodeDef {
		return &node_def_go_proto.NodeDef{Name: name, Op: op, Input: []string{"x"}}
	}
	nested := through("call", "x", "h")
	nested.Attr["f"].GetFunc().Attr = attrs{"inner": funcAttr("f")}
	branches := &node_def_go_proto.NodeDef{Name: "case", Op: "StatelessCase", Attr: attrs{"branches": {Value: &attr_value_go_proto.AttrValue_List{
		List: &attr_value_go_proto.AttrValue_ListValue{Func: []*attr_value_go_proto.NameAttrList{{Name: "h"}, {Name: "f"}}}}}}}
	gradient := &node_def_go_proto.NodeDef{Name: "grad", Op: "SymbolicGradient", Input: []string{"x"}, Attr: attrs{"f": funcAttr("h")}}
	h := chain(0, 0)[0]
	h.Signature.Name = "h"
	type functions = []*function_go_proto.FunctionDef
	for name, c := range map[string]struct {
		functions functions
		gradients []*function_go_proto.GradientDef
		want      string
	}{
		"itself":      {functions: functions{oneFloat("f", through("call", "x", "f"))}, want: "f → f"},
		"over others": {functions: functions{oneFloat("f", through("call", "x", "g")), oneFloat("g", through("call", "x", "f"))}, want: "f → g → f"},
		"by its op":   {functions: functions{oneFloat("f", named("call", "f"))}, want: "f → f"},
		"in a list":   {functions: functions{oneFloat("f", branches), h}, want: "f → f"},
		"nested":      {functions: functions{oneFloat("f", nested), h}, want: "f → f"},
		"a gradient": {functions: functions{oneFloat("f", gradient), h}, want: "f → f",
			gradients: []*function_go_proto.GradientDef{{FunctionName: "h", GradientFunc: "f"}}},
		"too deep":       {functions: chain(1000, 1), want: "more than 100 deep"},
		"too many nodes": {functions: chain(40, 2), want: "nodes when the calls in them are written out"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			model := withFunctions(t, dir, c.functions, c.gradients...)
			for _, o := range []Options{{}, {NoPrune: true}} {
				_, err := Load(dir, o)
				if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v", err)
				}
			}
			// TensorFlow reads the text where there is no binary.
			if err := os.Remove(filepath.Join(dir, "saved_model.pb")); err != nil {
				t.Fatal(err)
			}
			text, err := prototext.Marshal(model)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "saved_model.pbtxt"), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Load(dir, Options{}); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What is within the limits runs.
func TestNestedFunctions(t *testing.T) {
	for _, functions := range [][]*function_go_proto.FunctionDef{chain(maxCallDepth-1, 1), chain(3, 3)} {
		dir := t.TempDir()
		withFunctions(t, dir, functions)
		m, err := Load(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		in, err := m.newInstance()
		if err != nil {
			t.Fatal(err)
		}
		r, err := in.Run(&tensor.Batch{Signature: m.Signatures["serving_default"], Parts: [][]tensor.Tensor{{floats(tensor.Shape{2}, 1, 2)}},
			Rows: 2, Size: 2, Shapes: []tensor.Shape{{2}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := values(r.Outputs[0]); len(got) != 2 || got[1] != -2 && got[1] != 2 {
			t.Error(got)
		}
		r.Free()
		in.Close()
		m.Close()
	}
}
