package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/function_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// cyclic adds a function that calls itself.
func cyclic(model *pb.SavedModel) {
	graph := model.MetaGraphs[0].GraphDef
	if graph.Library == nil {
		graph.Library = new(function_go_proto.FunctionDefLibrary)
	}
	graph.Library.Function = append(graph.Library.Function, &function_go_proto.FunctionDef{
		Signature: &op_def_go_proto.OpDef{Name: "loop"}, NodeDef: []*node_def_go_proto.NodeDef{{Name: "again", Op: "loop"}}})
	graph.Node = append(graph.Node, &node_def_go_proto.NodeDef{Name: "begin", Op: "loop"})
}

// Models that would hang the server, fill its memory or end it fail with a word why, and the one beside them is served.
func TestHostileModels(t *testing.T) {
	nothing := func(*pb.SavedModel) {}
	bases := map[string]string{"cycle": changed(t, cyclic)}
	for name, file := range map[string]string{"pipe": "saved_model.pb", "shard": "variables/variables.data-00000-of-00001",
		"warmup": "assets.extra/tf_serving_warmup_requests", "settings": "assets.extra/saved_model_config.pb", "batching": "batching_params.pbtxt"} {
		bases[name] = changed(t, nothing)
		path := filepath.Join(bases[name], "1", file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		fifo(t, path)
	}
	bases["endless"] = changed(t, nothing)
	if err := os.Remove(bases["endless"] + "/1/saved_model.pb"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", bases["endless"]+"/1/saved_model.pb"); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("model_config_list { config { name: 'good' base_path: '%s/half_plus_two' model_platform: 'tensorflow' }\n", testModels(t))
	for name, base := range bases {
		config += fmt.Sprintf("config { name: '%s' base_path: '%s' model_platform: 'tensorflow' }\n", name, base)
	}
	s := launch(t, "--model_config_file="+writeFile(t, t.TempDir(), "models.config", config+"}"), "--max_num_load_retries=0",
		"--enable_per_model_batching_parameters")
	s.eventually("the good model answers", func() bool { return s.status("/v1/models/good/metadata") == 200 })
	for name, want := range map[string]string{"cycle": `function \"loop\" calls itself`, "pipe": "named pipe", "shard": "named pipe",
		"warmup": "named pipe", "settings": "named pipe", "batching": "named pipe", "endless": "device"} {
		s.eventually(name+" has failed", func() bool { return s.states(name)["1"] == "END" })
		if _, body := s.do("GET", "/v1/models/"+name, ""); !strings.Contains(body, want) {
			t.Errorf("%s: %s", name, body)
		}
	}
	s.want("POST", "/v1/models/good:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A pipe in the place of a file of the configuration ends the start with a word.
func TestHostileConfigurations(t *testing.T) {
	base := "--model_base_path=" + testModels(t) + "/half_plus_two"
	pipe := fifo(t, t.TempDir()+"/pipe")
	for _, flag := range []string{"model_config_file", "batching_parameters_file", "monitoring_config_file", "ssl_config_file",
		"tensorflow_session_config_file", "platform_config_file"} {
		for _, path := range []string{pipe, "/dev/zero"} {
			s := launch(t, base, "--"+flag+"="+path)
			if code := s.wait(); code <= 0 || !strings.Contains(s.log.String(), path) || !strings.Contains(s.log.String(), "only regular files") {
				t.Errorf("--%s=%s: exit %d\n%s", flag, path, code, s.log)
			}
		}
	}
}

// A configuration file that becomes a pipe is reported, the old configuration stays, and the process ends as always.
func TestConfigurationBecomesPipe(t *testing.T) {
	file := writeFile(t, t.TempDir(), "models.config", fmt.Sprintf(
		"model_config_list { config { name: 'm' base_path: '%s/half_plus_two' model_platform: 'tensorflow' } }", testModels(t)))
	s := start(t, "--model_config_file="+file, "--model_config_file_poll_wait_seconds=1")
	fifo(t, file)
	s.eventually("the pipe is reported", func() bool { return strings.Contains(s.log.String(), "named pipe") })
	s.want("POST", "/v1/models/m:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Models whose inputs claim to be of any size are served as far as they can be; the document and the page of all models are
// answered and small, and nothing of such a size is made up to warm them.
func TestLargeOpenShapes(t *testing.T) {
	config := fmt.Sprintf("model_config_list { config { name: 'good' base_path: '%s/half_plus_two' model_platform: 'tensorflow' }\n", testModels(t))
	for name, dims := range map[string][]int64{"overflow": {-1, 1 << 62, 1 << 62}, "huge": {-1, 400_000_000, -1}, "large": {-1, 2_000_000, -1}} {
		base := changed(t, func(model *pb.SavedModel) {
			for _, sig := range model.MetaGraphs[0].SignatureDef {
				for _, in := range sig.Inputs {
					in.TensorShape = &tensor_shape_go_proto.TensorShapeProto{}
					for _, d := range dims {
						in.TensorShape.Dim = append(in.TensorShape.Dim, &tensor_shape_go_proto.TensorShapeProto_Dim{Size: d})
					}
				}
			}
		})
		config += fmt.Sprintf("config { name: '%s' base_path: '%s' model_platform: 'tensorflow' }\n", name, base)
	}
	s := start(t, "--model_config_file="+writeFile(t, t.TempDir(), "models.config", config+"}"))
	for path, models := range map[string][]string{"/openapi.json": {"good", "overflow", "huge", "large"}, "/status/model?name=overflow": {"overflow"},
		"/status/model?name=huge": {"huge"}, "/status/model?name=large": {"large"}} {
		resp, body := s.do("GET", path, "")
		if resp.StatusCode != 200 || len(body) > 100<<10 {
			t.Errorf("%s: %d, %d bytes", path, resp.StatusCode, len(body))
		}
		for _, model := range models {
			if !strings.Contains(body, model) {
				t.Errorf("%s lacks %s: %s", path, model, body)
			}
		}
	}
	if n := s.memory(); n > 2<<30 {
		t.Errorf("%d MiB of memory", n>>20)
	}
	s.want("POST", "/v1/models/good:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
}
