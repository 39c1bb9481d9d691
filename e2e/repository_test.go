package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Models of a repository come and go with their directories, beside those of the configuration.
func TestModelRepository(t *testing.T) {
	root := t.TempDir()
	link := func(name, model string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(testModels(t), model), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("mlp", "mlp")
	link("numbers/half", "half_plus_two")
	s := start(t, "--model_repository="+root, "--model_name=own", "--model_base_path="+testModels(t)+"/identity", "--file_system_poll_wait_seconds=1")
	s.want("POST", "/v1/models/numbers%2Fhalf:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	if code := s.status("/v1/models/mlp"); code != 200 {
		t.Errorf("mlp: %d", code)
	}
	if code := s.status("/v1/models/own"); code != 200 {
		t.Errorf("own: %d", code)
	}
	link("late", "half_plus_two")
	s.eventually("a new model is served", func() bool {
		resp, _ := s.do("POST", "/v1/models/late:predict", `{"instances":[1.0]}`)
		return resp.StatusCode == 200
	})
	if err := os.Remove(filepath.Join(root, "late")); err != nil {
		t.Fatal(err)
	}
	s.eventually("it is gone", func() bool {
		resp, _ := s.do("POST", "/v1/models/late:predict", `{"instances":[1.0]}`)
		return resp.StatusCode == 404
	})
	s.want("POST", "/v2/repository/models/mlp/unload", "", 200, "")
	s.eventually("it is unloaded, though its directory is there", func() bool {
		_, body := s.do("POST", "/v2/repository/index", "")
		return strings.Contains(body, `{"name":"mlp","version":"1","state":"UNAVAILABLE","reason":"unloaded"}`)
	})
	s.want("POST", "/v2/repository/models/mlp/load", "", 200, "")
	if code := s.status("/v2/models/mlp/ready"); code != 200 {
		t.Errorf("loaded, and not ready: %d", code)
	}
	if resp, body := s.do("POST", "/v2/repository/models/own/unload", ""); resp.StatusCode != 400 || !strings.Contains(body, "is in the configuration") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestExplicitModelControl(t *testing.T) {
	s := start(t, "--model_repository="+testModels(t), "--model_control_mode=explicit")
	if _, body := s.do("POST", "/v2/repository/index", `{"ready":true}`); body != "[]" {
		t.Errorf("loaded without being asked for: %s", body)
	}
	s.want("POST", "/v2/repository/models/half_plus_two/load", "", 200, "")
	s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	if resp, body := s.do("POST", "/v2/repository/models/bad/load", ""); resp.StatusCode != 400 || !strings.Contains(body, "failed to load 'bad', ") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, body := s.do("POST", "/v2/repository/models/nowhere/load", ""); resp.StatusCode != 400 || !strings.Contains(body, "not in a model repository") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	s.want("POST", "/v2/repository/models/half_plus_two/unload", "", 200, "")
	s.eventually("it is unloaded", func() bool {
		resp, _ := s.do("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`)
		return resp.StatusCode == 404
	})
}
