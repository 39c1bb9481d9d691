package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shoal/configs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// shoal runs a command, in a directory, and returns what it printed on each stream and its exit code.
func shoal(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

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

// check lists all faults of flags, files and models at once, and serves nothing.
func TestCheck(t *testing.T) {
	root, dir := testModels(t), t.TempDir()
	model := func(name, path, rest string) string {
		return fmt.Sprintf("config { name: %q base_path: %q model_platform: \"tensorflow\" %s }\n", name, filepath.Join(root, path), rest)
	}
	good := writeFile(t, dir, "good.config", "model_config_list {\n"+model("half_plus_two", "half_plus_two", `version_labels { key: "stable" value: 2 }`)+model("tf1", "tf1", "")+"}")
	if stdout, stderr, code := shoal(t, dir, "check", "--model_config_file="+good, "--enable_profiler"); code != 0 ||
		!strings.Contains(stdout, "no faults; 2 model(s) would be served") || !strings.Contains(stdout, "note: --enable_profiler has no effect") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	wrong := writeFile(t, dir, "wrong.config", "model_config_list {\n"+model("label", "half_plus_two", `version_labels { key: "stable" value: 1 }`)+
		model("absent", "no_such_model", "")+model("bad", "bad", "")+model("version", "multi", "model_version_policy { specific { versions: 7 } }")+"}")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--model_config_file=" + wrong}, []string{"model label: label stable names version 1, which is not served", "model absent: ", "model bad, version 1: ", "model version: version 7"}},
		{[]string{"--port=x", "--rest_api_prot=1", "--instances=-1"}, []string{"--port: ", "--rest_api_prot: unknown flag"}},
		{[]string{"--port=70000", "--instances=-1", "--custom_op_libraries=/no/such.so", "--batching_parameters_file=" + writeFile(t, dir, "batching", "max_batch_size { value: 0 }")},
			[]string{"--port: 70000", "--instances: -1", "/no/such.so", "max_batch_size must be positive", "no model to serve"}},
	} {
		_, stderr, code := shoal(t, dir, append([]string{"check"}, c.args...)...)
		for _, want := range c.want {
			if code == 0 || !strings.Contains(stderr, want) {
				t.Errorf("%v: exit %d, want %q in\n%s", c.args, code, want, stderr)
			}
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}, {"serve", "--version"}} {
		if stdout, _, code := shoal(t, ".", args...); code != 0 || !strings.HasPrefix(strings.ToLower(stdout), "shoal") || !strings.Contains(stdout, "TensorFlow Library: 2.21") {
			t.Errorf("%v: exit %d, %q", args, code, stdout)
		}
	}
	out, err := exec.Command(filepath.Join(filepath.Dir(binary), "tensorflow_model_server"), "--version").Output()
	if err != nil || !strings.Contains(string(out), "TensorFlow Library: 2.21") {
		t.Errorf("tensorflow_model_server --version: %v %s", err, out)
	}
	for _, args := range [][]string{{}, {"help"}, {"--help"}, {"-h"}} {
		stdout, _, code := shoal(t, ".", args...)
		for _, command := range []string{"serve", "inspect", "check", "version"} {
			if code != 0 || !strings.Contains(stdout, "shoal "+command) {
				t.Errorf("%v: exit %d, no %s in %q", args, code, command, stdout)
			}
		}
	}
	stdout, _, code := shoal(t, ".", "serve", "--help")
	for f := range configs.Flags() {
		if code != 0 || !strings.Contains(stdout, "--"+f.Name) || !strings.Contains(stdout, f.Group) {
			t.Errorf("serve --help: exit %d, nothing of --%s in group %s", code, f.Name, f.Group)
		}
	}
	for _, args := range [][]string{{"swim"}, {"--port=1"}} {
		if _, stderr, code := shoal(t, ".", args...); code != 2 || stderr == "" {
			t.Errorf("%v: exit %d, %q", args, code, stderr)
		}
	}
}
