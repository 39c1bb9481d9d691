package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shoal/serving/rpc/rpctest"
)

// needOpenVINO skips the test where `make deps` has not fetched OpenVINO.
func needOpenVINO(t *testing.T) {
	t.Helper()
	if files, _ := filepath.Glob("../.cache/openvino/lib/libopenvino_c.so*"); len(files) == 0 {
		t.Skip("OpenVINO is not there (make deps fetches it)")
	}
}

// engine is what GET /v1/models says of the engine of a signature.
type engine struct {
	Name, Reason      string
	Speed, Difference float64
}

// engines are those of all signatures that have been chosen, by model/signature.
func (s *server) engines() map[string]engine {
	s.t.Helper()
	resp, err := http.Get(s.url + "/v1/models")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct {
		Models []struct {
			Name     string
			Versions []struct {
				Signatures []struct {
					Name   string
					Engine *engine
				}
			} `json:"model_version_status"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		s.t.Fatal(err)
	}
	all := make(map[string]engine)
	for _, m := range list.Models {
		for _, v := range m.Versions {
			for _, sig := range v.Signatures {
				if sig.Engine != nil {
					all[m.Name+"/"+sig.Name] = *sig.Engine
				}
			}
		}
	}
	return all
}

// TestRecordedAnswersWithTwoEngines: OpenVINO runs whatever it may, and clients see TensorFlow Serving's answers and errors.
func TestRecordedAnswersWithTwoEngines(t *testing.T) {
	needOpenVINO(t)
	s := start(t, "--model_config_file="+recordedConfig(t), "--allow_version_labels_for_unavailable_models=true", "--enable_batching=true",
		"--engine=auto", "--engine_min_gain=0")
	for c := range recordedREST(t) {
		t.Run(c.Name, func(t *testing.T) { c.check(t, s) })
	}
	rpctest.Replay(t, s.dial(), rpctest.Load(t, "testdata/grpc_cases.jsonl"))
	engines := s.engines()
	for name, want := range map[string]string{"half_plus_two/serving_default": "openvino", "fixed/serving_default": "openvino",
		"scalar/serving_default": "openvino", "nonbatch/serving_default": "openvino", "multi/serving_default": "tensorflow",
		"identity/float16": "tensorflow"} {
		if e := engines[name]; e.Name != want {
			t.Errorf("%s runs in %+v, want %s", name, e, want)
		}
	}
}

func TestEngineThatCannotRunAModel(t *testing.T) {
	needOpenVINO(t)
	s := launch(t, "--model_name=m", "--model_base_path="+testModels(t)+"/stringlen", "--engine=openvino", "--max_num_load_retries=0")
	s.eventually("the load fails", func() bool { return strings.Contains(s.log.String(), "cannot run in openvino") })
	for _, want := range []string{`signature "serving_default"`, `has the type string`} {
		if !strings.Contains(strings.ReplaceAll(s.log.String(), `\"`, `"`), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// TestEngineWithoutItsLibrary: with auto TensorFlow serves, and the reason says what to install.
func TestEngineWithoutItsLibrary(t *testing.T) {
	s := startModel(t, "half_plus_two", "--engine=auto", "--openvino_library_dir="+t.TempDir())
	e := s.engines()["half_plus_two/serving_default"]
	if e.Name != "tensorflow" || !strings.Contains(e.Reason, "pip install openvino") {
		t.Errorf("%+v", e)
	}
}

func TestEngineOfOneModel(t *testing.T) {
	needOpenVINO(t)
	groups := filepath.Join(t.TempDir(), "groups")
	if err := os.WriteFile(groups, []byte(`model { name: "mlp" engine: "openvino" }`), 0o644); err != nil {
		t.Fatal(err)
	}
	if all := startModel(t, "fixed", "--instance_groups_file="+groups).engines(); len(all) != 0 {
		t.Errorf("engines were compared though none was asked for: %v", all)
	}
	if e := startModel(t, "mlp", "--instance_groups_file="+groups).engines()["mlp/serving_default"]; e.Name != "openvino" {
		t.Errorf("the instance groups say openvino, and the model runs in %+v", e)
	}
}
