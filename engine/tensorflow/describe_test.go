package tensorflow

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/engine"
	"shoal/engine/signaturedef"
	"shoal/internal/testlog"
)

// changed is a copy of a model whose meta graphs change has changed.
func changed(t *testing.T, original string, change func(*pb.MetaGraphDef)) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "saved_model.pb")
	raw, err := os.ReadFile(file)
	saved := new(pb.SavedModel)
	if err == nil {
		err = proto.Unmarshal(raw, saved)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, mg := range saved.MetaGraphs {
		change(mg)
	}
	if raw, err = proto.Marshal(saved); err == nil {
		err = os.WriteFile(file, raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Default values of inputs are decoded when the model is loaded. One that would take too much memory is left out, with a warning.
func TestDefaults(t *testing.T) {
	value := func(rows int64, x float32) *tensor_go_proto.TensorProto {
		return &tensor_go_proto.TensorProto{
			Dtype: types_go_proto.DataType_DT_FLOAT, FloatVal: []float32{x},
			TensorShape: &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: rows}}},
		}
	}
	original := rewriteModels(t)["test/half_plus_two/1"]
	for name, c := range map[string]struct {
		value *tensor_go_proto.TensorProto
		want  []float32
	}{
		"small":     {value(3, 8), []float32{8, 8, 8}},
		"too large": {value(1<<40, 8), nil},
	} {
		dir := changed(t, original, func(mg *pb.MetaGraphDef) {
			mg.SignatureDef["serving_default"].Defaults = map[string]*tensor_go_proto.TensorProto{"x": c.value, "strange": c.value}
		})
		said := new(testlog.Log)
		m, err := new(Engine).Load(dir, engine.Options{Logger: said.Logger()})
		if err != nil {
			t.Fatal(err)
		}
		sig := m.Describe().Signatures["serving_default"]
		if sig.HasDefaults() != (c.want != nil) || strings.Contains(said.String(), "default value") == (c.want != nil) {
			t.Errorf("%s: %+v, log %s", name, sig.Inputs, said)
		}
		if d := sig.Inputs[0].Default; d != nil && !slices.Equal(values(*d), c.want) {
			t.Errorf("%s: %v, want %v", name, values(*d), c.want)
		}
		m.Close()
	}
}

// What signaturedef makes of signatures says the same as what they were made of.
func TestSignatureDefs(t *testing.T) {
	for name, dir := range rewriteModels(t) {
		meta, err := ReadMetaGraph(dir, []string{"serve"})
		if err != nil {
			t.Fatal(err)
		}
		want := Describe(meta).Signatures
		if len(want) == 0 {
			continue
		}
		made := &pb.MetaGraphDef{SignatureDef: signaturedef.Of(want).SignatureDef}
		if got := Describe(made).Signatures; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// A signature with a tensor that is not dense is skipped, with the reason; the others are not.
func TestDescribeSkips(t *testing.T) {
	name := func(s string) *pb.TensorInfo { return &pb.TensorInfo{Encoding: &pb.TensorInfo_Name{Name: s}} }
	sparse := &pb.TensorInfo{Encoding: &pb.TensorInfo_CooSparse_{CooSparse: new(pb.TensorInfo_CooSparse)}}
	infos := func(x *pb.TensorInfo) map[string]*pb.TensorInfo { return map[string]*pb.TensorInfo{"x": x} }
	d := Describe(&pb.MetaGraphDef{SignatureDef: map[string]*pb.SignatureDef{
		"dense":                 {Inputs: infos(name("a:0")), Outputs: infos(name("b:0"))},
		"sparse":                {Inputs: infos(sparse), Outputs: infos(name("b:0"))},
		"nothing":               {Inputs: infos(name("a:0")), Outputs: infos(new(pb.TensorInfo))},
		"__saved_model_init_op": {Outputs: infos(name("init"))},
	}})
	skipped := map[string]string{
		"sparse":  `its input "x" is a sparse tensor; only dense tensors are supported`,
		"nothing": `its output "x" is no tensor of the graph; only dense tensors are supported`,
	}
	if len(d.Signatures) != 1 || d.Signatures["dense"] == nil || !reflect.DeepEqual(d.Skipped, skipped) {
		t.Errorf("%v, %v", d.Signatures, d.Skipped)
	}
}

// A model's fingerprint does not depend on its variables, and tells it from another model, with fingerprint.pb and without.
func TestFingerprint(t *testing.T) {
	models := rewriteModels(t)
	of := func(dir string) string { return (&Model{dir: dir}).Fingerprint() }
	for _, remove := range []string{"variables", "fingerprint.pb"} {
		var seen []string
		for _, name := range []string{"test/mlp/1", "test/half_plus_two/1"} {
			dir := changed(t, models[name], func(*pb.MetaGraphDef) {})
			before := of(dir)
			if err := os.RemoveAll(filepath.Join(dir, remove)); err != nil {
				t.Fatal(err)
			}
			after := of(dir)
			if after == "" || (before == after) != (remove == "variables") {
				t.Errorf("%s: %q, without %s %q", name, before, remove, after)
			}
			seen = append(seen, after)
		}
		if seen[0] == seen[1] {
			t.Errorf("two models have the fingerprint %q", seen[0])
		}
	}
	if got := of(t.TempDir()); got != "" {
		t.Errorf("an empty directory has the fingerprint %q", got)
	}
}
