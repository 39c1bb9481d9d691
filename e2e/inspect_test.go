package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What inspect prints of models of TensorFlow 1 and 2 is in testdata/inspect; run with -update after a change.
func TestInspect(t *testing.T) {
	root := testModels(t)
	for name, args := range map[string][]string{
		"multi": {"multi"}, "tf1": {"tf1/1"}, "estimator": {"estimator"}, "scalar": {"scalar"}, "half_plus_two": {"half_plus_two"},
		"half_plus_two_1": {"half_plus_two/1"}, "tagged": {"--saved_model_tags=serve,gpu", "tagged"},
	} {
		t.Run(name, func(t *testing.T) {
			got, stderr, code := shoal(t, root, append([]string{"inspect"}, args...)...)
			if code != 0 || stderr != "" {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			golden := filepath.Join("testdata", "inspect", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	for _, c := range []struct{ arg, want string }{
		{"bad", "is not a SavedModel"}, {"no_such_model", "no SavedModel in no_such_model"}, {"tagged/2", "no SavedModel in tagged/2"},
		{"--saved_model_tags=train", "one directory is needed"},
	} {
		if stdout, stderr, code := shoal(t, root, "inspect", c.arg); code == 0 || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %q, want %q", c.arg, code, stderr, c.want)
		}
	}
}

// The examples that inspect prints are answered.
func TestInspectedExamplesWork(t *testing.T) {
	root := testModels(t)
	s := start(t, "--model_config_file="+modelsConfig(t, "multi", "scalar", "tf1", "identity", "estimator"), "--allow_version_labels_for_unavailable_models")
	for _, model := range []string{"half_plus_two", "multi", "scalar", "tf1", "identity", "estimator"} {
		out, _, _ := shoal(t, root, "inspect", model)
		found := 0
		for line := range strings.Lines(out) {
			_, rest, ok := strings.Cut(line, "curl -d '")
			if !ok {
				continue
			}
			body, url, _ := strings.Cut(strings.TrimSpace(rest), "' http://localhost:8501")
			found++
			if resp, answer := s.do("POST", url, body); resp.StatusCode != 200 {
				t.Errorf("%s %s: %d %s", url, body, resp.StatusCode, answer)
			}
		}
		if found == 0 {
			t.Errorf("%s: no example in %s", model, out)
		}
	}
}

func TestInspectMeasures(t *testing.T) {
	out, stderr, code := shoal(t, testModels(t), "inspect", "--measure", "mlp")
	if code != 0 {
		t.Fatalf("%d %s", code, stderr)
	}
	_, table, _ := strings.Cut(out, "measured, one instance\n")
	for _, want := range []string{"as it is", "as served", "load", "1 row", "gain", "×"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
