package rewrite

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// known are the ops of these tests' graphs.
var known = map[string]*op_def_go_proto.OpDef{
	"Assert": {Name: "Assert", IsStateful: true}, "SaveV2": {Name: "SaveV2", IsStateful: true}, "Shape": {Name: "Shape"},
}

// floats is a checkpoint of float vectors: names and lengths.
type floats map[string]int64

func (f floats) Describe(name string) (int32, []int64, bool) {
	n, ok := f[name]
	return 1, []int64{n}, ok
}

// model is y = v + x with a saver; v is read by the node "read" from the handle "v". more, parts with "&" between, is added.
func model(t testing.TB, more string) *pb.MetaGraphDef {
	t.Helper()
	const text = `
		signature_def { key: "serving_default" value {
			inputs { key: "x" value { name: "x:0" } } outputs { key: "y" value { name: "y:0" } } } }
		saver_def { filename_tensor_name: "file:0" save_tensor_name: "save:0" restore_op_name: "restore" }
		object_graph_def { nodes { } }
		graph_def {
			node { name: "x" op: "Placeholder" attr { key: "_class" value { list { s: "loc:@save" s: "loc:@y" } } } }
			node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } }
			node { name: "w" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } }
			node { name: "read" op: "ReadVariableOp" input: "v" input: "^x" attr { key: "dtype" value { type: DT_FLOAT } } }
			node { name: "y" op: "AddV2" input: "x" input: "read" attr { key: "T" value { type: DT_FLOAT } } }
			node { name: "file" op: "Placeholder" }
			node { name: "save" op: "SaveV2" input: "file" input: "read" }
			node { name: "names" op: "Const" attr { key: "dtype" value { type: DT_STRING } } attr { key: "value" value { tensor {
				dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: "key_of_v" string_val: "key_of_w" } } } }
			node { name: "slices" op: "Const" attr { key: "dtype" value { type: DT_STRING } } attr { key: "value" value { tensor {
				dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: "" } } } }
			node { name: "load" op: "RestoreV2" input: "file" input: "names" input: "slices"
				attr { key: "dtypes" value { list { type: DT_FLOAT type: DT_FLOAT } } } }
			node { name: "set_v" op: "AssignVariableOp" input: "v" input: "load" }
			node { name: "set_w" op: "AssignVariableOp" input: "w" input: "load:1" }
			node { name: "restore" op: "NoOp" input: "^set_v" input: "^set_w" }
			library { function { signature { name: "unneeded" } } }
		}`
	mg := new(pb.MetaGraphDef)
	if err := prototext.Unmarshal([]byte(text), mg); err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(more, "&") {
		extra := new(pb.MetaGraphDef)
		if err := prototext.Unmarshal([]byte(part), extra); err != nil {
			t.Fatalf("%v in %s", err, part)
		}
		proto.Merge(mg, extra)
	}
	return mg
}

func rewritten(t *testing.T, mg *pb.MetaGraphDef, o Options) (*Result, map[string]*node) {
	t.Helper()
	o.Ops = known
	if o.Checkpoint == nil {
		o.Checkpoint = floats{"key_of_v": 3, "key_of_w": 5}
	}
	r, err := Rewrite(mg, o)
	if err != nil {
		t.Fatal(err)
	}
	return r, newGraph(nil, mg.GraphDef.Node).byName
}

func names(nodes map[string]*node) string { return strings.Join(slices.Sorted(maps.Keys(nodes)), " ") }

func TestPruningKeepsWhatSignaturesNeed(t *testing.T) {
	mg := model(t, "")
	r, nodes := rewritten(t, mg, Options{Freeze: Never})
	if got := names(nodes); got != "file read restore/Assign_0 restore/RestoreV2 restore/all restore/shape_and_slices restore/tensor_names v x y" {
		t.Errorf("nodes: %s", got)
	}
	if len(mg.GraphDef.Library.Function) > 0 || mg.ObjectGraphDef != nil {
		t.Error("what is needed by nothing is still there")
	}
	if class := nodes["x"].Attr["_class"].GetList().GetS(); len(class) != 1 || string(class[0]) != "loc:@y" {
		t.Errorf("colocation with a node that is gone: %q", class)
	}
	if got := stringsOf(nodes["restore/tensor_names"]); len(got) != 1 || got[0] != "key_of_v" {
		t.Errorf("restored: %q", got)
	}
	if op := mg.SaverDef.RestoreOpName; op != "restore/all" || nodes["restore/Assign_0"].Input[0] != "v" {
		t.Errorf("restore op %s: %v", op, nodes["restore/Assign_0"])
	}
	if r.Kept != 1 || r.KeptBytes != 12 || r.Dropped != 1 || r.DroppedBytes != 20 || r.NotFrozen != "freezing is off" {
		t.Errorf("report %+v", r.Report)
	}
}

func TestFreezingReplacesReads(t *testing.T) {
	mg := model(t, "")
	r, nodes := rewritten(t, mg, Options{Freeze: Always})
	if got := names(nodes); got != "read v/frozen x y" {
		t.Errorf("nodes: %s", got)
	}
	if n := nodes["read"]; n.Op != "Identity" || strings.Join(n.Input, " ") != "v/frozen ^x" {
		t.Errorf("the read is %v", n)
	}
	if mg.SaverDef != nil || !r.NoCheckpoint || !r.Changed() {
		t.Errorf("nothing is left to restore: %v, %+v", mg.SaverDef, r.Report)
	}
	if len(r.Constants) != 1 || r.Constants[0].Key.Name != "key_of_v" || r.Constants[0].Bytes != 12 || r.Constants[0].Tensor != nodes["v/frozen"].Attr["value"].GetTensor() {
		t.Errorf("constants %+v", r.Constants)
	}
}

// TestWhatCannotBeFrozen: each addition to the graph is a reason.
func TestWhatCannotBeFrozen(t *testing.T) {
	use := func(node string) string { // a node that the signature needs
		return `signature_def { key: "other" value { outputs { key: "o" value { name: "other:0" } } } } graph_def { node { name: "other" ` + node + ` } }`
	}
	function := func(attr, body string) string {
		return use(`op: "PartitionedCall" input: "v" attr { key: "f" value { func { name: "f" } } }`) + `& graph_def { library { function {
			signature { name: "f" input_arg { name: "h" type: DT_RESOURCE } output_arg { name: "out" type: DT_RESOURCE } } ` + attr + body + ` } } }`
	}
	for more, want := range map[string]string{
		use(`op: "AssignAddVariableOp" input: "v" input: "x"`): "AssignAddVariableOp other may write it",
		use(`op: "Unheard" input: "v"`):                        "Unheard other may write it",
		use(`op: "Enter" input: "v"`):                          "Enter other may write it",
		use(`op: "Placeholder"`) + `& signature_def { key: "h" value { outputs { key: "v" value { name: "v:0" } } } }`: "it is itself a signature's tensor",
		function("", `node_def { name: "a" op: "AssignVariableOp" input: "h" input: "h" }`):                            "AssignVariableOp a may write it",
		function("", `ret { key: "out" value: "h" }`):                                                                  "function f returns it",
		function("", `node_def { name: "f2" op: "f" input: "h" }`):                                                     "function f calls itself, or is not understood",
		function(`attr { key: "api_implements" value { s: "lstm" } }`, ""):                                             "function f may be exchanged for another implementation",
		function(`attr { key: "_XlaMustCompile" value { b: true } }`, ""):                                              "function f is compiled by XLA",
		function("", `node_def { name: "own" op: "VarHandleOp" attr { key: "shared_name" value { s: "v" } } }`):        "function f names it itself",
		`graph_def { node { name: "again" op: "AssignVariableOp" input: "v" input: "load:1" } node { name: "restore2" op: "NoOp" input: "^restore" input: "^again" } }
		 saver_def { restore_op_name: "restore2" }`: "the restore does not assign it in a way that is understood",
	} {
		mg := model(t, more)
		r, nodes := rewritten(t, mg, Options{Freeze: Always})
		if len(r.Variables) == 0 || r.Frozen > 0 {
			t.Errorf("%s: %+v", more, r.Report)
			continue
		}
		if v := r.Variables[0]; v.Name != "v" || v.Fate != Kept || v.Why != want {
			t.Errorf("%s\n%+v, want %q", more, v, want)
		}
		if nodes["v"] == nil || nodes["read"].Op != "ReadVariableOp" || mg.SaverDef == nil {
			t.Errorf("%s: the variable is gone", more)
		}
	}
}

// TestCheckpointDisagrees: a variable whose value is missing, or of another type, stays one.
func TestCheckpointDisagrees(t *testing.T) {
	for _, c := range []Checkpoint{floats{"key_of_w": 1}, doubles{}} {
		r, nodes := rewritten(t, model(t, ""), Options{Freeze: Always, Checkpoint: c})
		if r.Frozen > 0 || nodes["read"].Op != "ReadVariableOp" || r.Variables[0].Why != "the checkpoint does not have it with this element type" {
			t.Errorf("%T: %+v", c, r.Report)
		}
	}
}

type doubles struct{}

func (doubles) Describe(string) (int32, []int64, bool) { return 2, []int64{3}, true }

// TestRestoreWithOtherEffectsStays: asserting, or reading another file than the model's checkpoint.
func TestRestoreWithOtherEffectsStays(t *testing.T) {
	for _, more := range []string{
		`graph_def { node { name: "check" op: "Assert" } node { name: "restore2" op: "NoOp" input: "^restore" input: "^check" } } saver_def { restore_op_name: "restore2" }`,
		`graph_def { node { name: "elsewhere" op: "Const" } } saver_def { filename_tensor_name: "elsewhere:0" }`,
	} {
		mg := model(t, more)
		r, nodes := rewritten(t, mg, Options{Freeze: Never})
		if len(r.Notes) != 1 || nodes["set_v"] == nil || nodes["set_w"] == nil || nodes[mg.SaverDef.RestoreOpName] == nil {
			t.Errorf("%s: notes %q, nodes %s", more, r.Notes, names(nodes))
		}
	}
}

func TestPin(t *testing.T) {
	const more = `graph_def { node { name: "gpu" op: "NoOp" device: "/device:GPU:*" } node { name: "cpu" op: "NoOp" device: "/device:CPU:0" }
		library { function { signature { name: "f" } node_def { name: "inside" op: "NoOp" } } } }`
	for device, want := range map[string][3]string{
		"/device:GPU:2": {"/device:GPU:2", "/device:GPU:2", "/device:CPU:0"},
		"/device:CPU:1": {"/device:CPU:1", "/device:GPU:*", "/device:CPU:0"},
	} {
		mg := model(t, more)
		r, nodes := rewritten(t, mg, Options{NoPrune: true, Device: device})
		inside := mg.GraphDef.Library.Function[1].NodeDef[0]
		if got := [3]string{nodes["x"].Device, nodes["gpu"].Device, nodes["cpu"].Device}; got != want || inside.Device != device || r.Pinned < 13 {
			t.Errorf("%s: %q, inside a function %q, %d pinned", device, got, inside.Device, r.Pinned)
		}
		if nodes["save"] == nil {
			t.Error("pinning alone must not prune")
		}
	}
}

func TestWriteIsWhatIsRead(t *testing.T) {
	for _, mg := range []*pb.MetaGraphDef{model(t, ""), {GraphDef: nil}} {
		if mg.GraphDef == nil {
			mg = model(t, "")
			mg.GraphDef.Node = nil
		}
		before := proto.CloneOf(mg)
		var out bytes.Buffer
		if err := Write(&out, mg); err != nil {
			t.Fatal(err)
		}
		var read pb.SavedModel
		if err := proto.Unmarshal(out.Bytes(), &read); err != nil {
			t.Fatal(err)
		}
		if read.SavedModelSchemaVersion != 1 || len(read.MetaGraphs) != 1 || !proto.Equal(read.MetaGraphs[0], before) || !proto.Equal(mg, before) {
			t.Error("the file has something else, or writing changed the graph")
		}
	}
}

func TestSliceElements(t *testing.T) {
	for spec, want := range map[string]int64{
		"8 6 0,3:0,6": 18, "8 6 3,3:-": 18, "8 0,8": 8, "8 -": 8, "8 6 0,3": -1, "": -1, "8 x": -1, "8 0,-3": -1, "8 0": -1,
	} {
		if got := sliceElements(spec); got != want {
			t.Errorf("%q: %d, want %d", spec, got, want)
		}
	}
}

// FuzzRewrite: no graph, however broken, may hang or crash, and what comes out can be written.
func FuzzRewrite(f *testing.F) {
	for _, more := range []string{"", `graph_def { node { name: "a" op: "Identity" input: "b" } node { name: "b" op: "Identity" input: "a" } }
		signature_def { key: "s" value { outputs { key: "o" value { name: "a" } } } }`} {
		raw, err := proto.Marshal(model(f, more))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		mg := new(pb.MetaGraphDef)
		if proto.Unmarshal(raw, mg) != nil {
			return
		}
		if _, err := Rewrite(mg, Options{Freeze: Always, Ops: known, Checkpoint: floats{"key_of_v": 3, "key_of_w": 5}}); err != nil {
			return
		}
		if err := Write(new(bytes.Buffer), mg); err != nil {
			t.Error(err)
		}
	})
}
