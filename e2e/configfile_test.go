package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/servables/tensorflow_go_proto"
	"google.golang.org/protobuf/proto"
)

// A configuration file that is empty for a moment, as when it is written in place, takes no model away. One that says so does.
func TestEmptiedConfigFile(t *testing.T) {
	dir := t.TempDir()
	full := fmt.Sprintf(`model_config_list { config { name: "m" base_path: "%s/half_plus_two" model_platform: "tensorflow" } }`, testModels(t))
	file := writeFile(t, dir, "models.config", full)
	s := start(t, "--model_config_file="+file, "--model_config_file_poll_wait_seconds=1")
	for _, text := range []string{"", " \n# model_config_list { }\n"} {
		before := len(s.log.Lines("configuration file not applied"))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s.eventually("it is refused", func() bool { return len(s.log.Lines("configuration file not applied")) > before })
		s.want("POST", "/v1/models/m:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	}
	if !s.logged("is empty or holds only comments; to serve no model, write model_config_list {}") || s.status("/readyz") != 200 {
		t.Errorf("readyz %d", s.status("/readyz"))
	}
	writeFile(t, dir, "models.config", full)
	s.eventually("the file is as it was", func() bool { return s.logged("configuration file is as it was") })
	writeFile(t, dir, "models.config", "model_config_list {}")
	s.eventually("the model is gone", func() bool { return s.status("/v1/models/m/metadata") == 404 })
}

// A server may start with a configuration that names no model, as there, and gets its models later.
func TestEmptyConfigFileAtStart(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, dir, "models.config", "# none yet\n")
	s := launch(t, "--model_config_file="+file, "--model_config_file_poll_wait_seconds=1")
	s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
	if s.logged("configuration file not applied") {
		t.Error("an empty file at the start is no error")
	}
	writeFile(t, dir, "models.config", fmt.Sprintf(`model_config_list { config { name: "m" base_path: "%s/half_plus_two" } }`, testModels(t)))
	s.eventually("the model answers", func() bool { return s.status("/v1/models/m/metadata") == 200 })
}

// A model that cannot load does not stop the others, and readiness says why.
func TestBrokenModelBesideGoodOne(t *testing.T) {
	root := testModels(t)
	dir := t.TempDir()
	file := writeFile(t, dir, "models.config", fmt.Sprintf(`model_config_list {
		config { name: "good" base_path: "%[1]s/half_plus_two" model_platform: "tensorflow" }
		config { name: "bad" base_path: "%[1]s/bad" model_platform: "tensorflow" }
		config { name: "absent" base_path: "%[1]s/no_such_directory" model_platform: "tensorflow" }
	}`, root))
	s := launch(t, "--model_config_file="+file, "--max_num_load_retries=0", "--model_config_file_poll_wait_seconds=1")
	s.eventually("the good model answers", func() bool { return s.status("/v1/models/good/metadata") == 200 })
	s.eventually("the bad one has failed", func() bool { return s.states("bad")["1"] == "END" })
	resp, body := s.do("GET", "/readyz", "")
	if resp.StatusCode != 503 || !strings.Contains(body, "bad") || !strings.Contains(body, "absent") || strings.Contains(body, `good`) {
		t.Errorf("readyz: %d %s", resp.StatusCode, body)
	}
	if s.status("/healthz") != 200 {
		t.Error("alive all the same")
	}
	if _, body := s.do("GET", "/v1/models/bad", ""); strings.Contains(body, `"error_code": "OK"`) || strings.Contains(body, `"error_code":"OK"`) {
		t.Errorf("status of the bad model: %s", body)
	}
	// A broken file is reported at the poll and changes nothing; a good one is taken.
	writeFile(t, dir, "models.config", `model_config_list { config { name: `)
	s.eventually("the broken file is reported", func() bool {
		return strings.Contains(s.log.String(), "Error parsing text-format tensorflow.serving.ModelServerConfig")
	})
	s.want("POST", "/v1/models/good:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	writeFile(t, dir, "models.config", fmt.Sprintf(`model_config_list { config { name: "good" base_path: "%s/half_plus_two" model_platform: "tensorflow" model_version_policy { specific { versions: 1 } } } }`, root))
	s.eventually("the new file is taken and all is ready", func() bool { return s.status("/readyz") == 200 })
	s.eventually("version 1 serves", func() bool {
		_, body := s.do("POST", "/v1/models/good:predict", `{"instances":[1.0]}`)
		return squeeze(body) == `{"predictions":[2.5]}`
	})
	s.eventually("the removed model is gone", func() bool { return s.status("/v1/models/bad/metadata") == 404 })
}

// Settings that lie in a version's directory hold for that version alone; broken ones fail its load and say why.
func TestPerModelSettings(t *testing.T) {
	overrides, err := proto.Marshal(&tensorflow_go_proto.SavedModelConfig{SessionOverrides: &tensorflow_go_proto.SessionOverrides{DisableMetaOptimizer: proto.Bool(true)}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyModel(t, dir, "small", "batching_params.pbtxt", []byte(`max_batch_size { value: 4 } allowed_batch_sizes: [2, 4]`))
	copyModel(t, dir, "large", "batching_params.pbtxt", []byte(`max_batch_size { value: 64 }`))
	copyModel(t, dir, "none", "", nil)
	copyModel(t, dir, "broken", "batching_params.pbtxt", []byte(`max_batch_size { value: 4 } allowed_batch_sizes: [2, 3]`))
	copyModel(t, dir, "overrides", "assets.extra/saved_model_config.pb", overrides)
	copyModel(t, dir, "nonsense", "assets.extra/saved_model_config.pb", bytes.Repeat([]byte{0xff}, 20))
	config := configOf(t, dir, "small", "large", "none", "broken", "overrides", "nonsense")
	five, answer := `{"instances":[1.0,1.0,1.0,1.0,1.0]}`, `{"predictions":[2.5,2.5,2.5,2.5,2.5]}`

	s := launch(t, "--model_config_file="+config, "--enable_batching", "--enable_per_model_batching_parameters", "--max_num_load_retries=0")
	s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
	for _, model := range []string{"small", "large", "none", "overrides"} {
		s.eventually(model+" is available", func() bool { return s.states(model)["1"] == "AVAILABLE" })
	}
	code, body, _, err := post(s.url+"/v1/models/small:predict", five)
	if err != nil || code != 400 || !strings.Contains(string(body), "Task size 5 is larger than maximum input batch size 4") {
		t.Errorf("%d %s %v", code, body, err)
	}
	for _, model := range []string{"large", "none", "overrides"} {
		s.want("POST", "/v1/models/"+model+":predict", five, 200, answer)
	}
	s.says("requests of the signature run alone", "model=none")
	if s.logged("requests of the signature run alone", "model=large") {
		t.Error("a model with parameters of its own is not batched")
	}
	for model, reason := range map[string]string{"broken": "Last entry in allowed_batch_sizes must match max_batch_size", "nonsense": "saved_model_config.pb"} {
		s.eventually("the load of "+model+" has failed", func() bool { return s.states(model)["1"] == "END" })
		if _, body := s.do("GET", "/v1/models/"+model, ""); !strings.Contains(body, reason) {
			t.Errorf("%s: %s", model, body)
		}
	}
	if _, body := s.do("GET", "/v1/models/broken", ""); !strings.Contains(body, "batching_params.pbtxt") {
		t.Errorf("the file is not named: %s", body)
	}

	t.Run("without the flag the files are not read", func(t *testing.T) {
		s := start(t, "--model_config_file="+configOf(t, dir, "small", "broken"))
		for _, model := range []string{"small", "broken"} {
			s.want("POST", "/v1/models/"+model+":predict", five, 200, answer)
		}
	})
}
