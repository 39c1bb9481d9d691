package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAPIDescription has the document validated, and the server asked what the document says it can be asked.
func TestAPIDescription(t *testing.T) {
	if testing.Short() {
		t.Skip("about two thousand requests")
	}
	monitoring := writeFile(t, t.TempDir(), "monitoring.config", `prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }`)
	s := start(t, "--model_config_file="+modelsConfig(t, "multi", "estimator"), "--allow_version_labels_for_unavailable_models",
		"--monitoring_config_file="+monitoring)
	s.eventually("both versions are there", func() bool { return len(s.available("half_plus_two")) == 2 })

	t.Logf("%s", tail(openAPITool(t, "openapi.py", s.url), 12))
}

// TestGeneratedClient has a client generated from the document of many models, those of the examples among them, and asks the
// server with it. No operation may be left out.
func TestGeneratedClient(t *testing.T) {
	var b strings.Builder
	b.WriteString("model_config_list {\n")
	for name, base := range map[string]string{
		"guesslang": made(t, "guesslang"), "regression": inRepository(t, "examples", "regression", "model"),
		// These are told apart by what generators make one of, or mean something in Python.
		"half-plus-two": "half_plus_two", "Half Plus Two": "half_plus_two", "half_plus_two.1": "half_plus_two", "import": "scalar", "3d": "fixed", "模型": "scalar",
	} {
		if !strings.Contains(base, "/") {
			base = filepath.Join(testModels(t), base)
		}
		fmt.Fprintf(&b, "config { name: %q base_path: %q model_platform: \"tensorflow\" model_version_policy { all {} } }\n", name, base)
	}
	more, err := os.ReadFile(modelsConfig(t, "identity", "multi", "scalar", "fixed", "nonbatch", "estimator", "two_signatures", "dynamic", "stringlen",
		"mlp", "tf1", "fail_on_negative"))
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString(strings.TrimPrefix(string(more), "model_config_list {"))
	s := start(t, "--model_config_file="+writeFile(t, t.TempDir(), "models.config", b.String()), "--allow_version_labels_for_unavailable_models")
	for _, name := range []string{"half_plus_two", "regression", "half-plus-two"} {
		s.eventually("both versions are there", func() bool { return len(s.available(name)) == 2 })
	}
	t.Log(openAPITool(t, "generated_client.py", s.url))
}

// openAPITool runs a script of testdata/python with the packages of .cache/openapi, in an empty folder, and returns what it printed.
func openAPITool(t *testing.T, script string, args ...string) string {
	t.Helper()
	packages := inRepository(t, ".cache", "openapi")
	if _, err := os.Stat(filepath.Join(packages, "openapi_python_client")); err != nil {
		t.Skipf("the tools for API descriptions are not there (make test-deps fetches them): %v", err)
	}
	cmd := pythonCommand(t, script, args...)
	cmd.Env = append(slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "PYTHONPATH=") }), "PYTHONPATH="+packages)
	cmd.Dir = t.TempDir() // they leave their files where they run
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
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
