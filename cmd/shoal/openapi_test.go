package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestAPIDescription has the document validated, and the server asked what the document says it can be asked.
func TestAPIDescription(t *testing.T) {
	if testing.Short() {
		t.Skip("about two thousand requests")
	}
	packages, err := filepath.Abs(filepath.Join("..", "..", ".cache", "openapi"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(packages); err != nil {
		t.Skipf("schemathesis is not there (make test-deps fetches it): %v", err)
	}
	monitoring := writeFile(t, t.TempDir(), "monitoring.config", `prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }`)
	s := start(t, "--model_config_file="+modelsConfig(t, "multi", "estimator"), "--allow_version_labels_for_unavailable_models",
		"--monitoring_config_file="+monitoring)
	s.eventually("both versions are there", func() bool { return len(s.available("half_plus_two")) == 2 })

	cmd := pythonCommand(t, "openapi.py", s.url)
	cmd.Env = append(slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "PYTHONPATH=") }), "PYTHONPATH="+packages)
	cmd.Dir = t.TempDir() // schemathesis leaves its files where it runs
	if cmd.Args[1], err = filepath.Abs(cmd.Args[1]); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", tail(string(out), 12))
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// TestAPIDescriptionFollows checks that a new version is described once it serves.
func TestAPIDescriptionFollows(t *testing.T) {
	base := filepath.Join(t.TempDir(), "half_plus_two")
	place := func(version string) {
		t.Helper()
		if err := os.MkdirAll(base, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-r", filepath.Join(testModels(t), "half_plus_two", version), base).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	place("1")
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+base)
	described := func(path string) bool {
		_, body := s.do("GET", "/openapi.json", "")
		var doc struct{ Paths map[string]any }
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		return doc.Paths[path] != nil
	}
	if !described("/v1/models/half_plus_two:predict") || !described("/v1/models/half_plus_two/versions/1:predict") || !described("/readyz") {
		t.Error("the first version is not described")
	}
	place("2")
	s.eventually("the new version is described, and the old one no longer", func() bool {
		return described("/v1/models/half_plus_two/versions/2:predict") && !described("/v1/models/half_plus_two/versions/1:predict")
	})
}

// An op's message may quote bytes that are no UTF-8; the answer is JSON all the same.
func TestErrorsAreJSON(t *testing.T) {
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
	resp, body := s.do("POST", "/v1/models/half_plus_two:predict", `{"signature_name":"regress_x_to_y","inputs":[{"b64":"0w=="}]}`)
	if resp.StatusCode != 400 || !utf8.ValidString(body) || !strings.Contains(body, "\uFFFD") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}
