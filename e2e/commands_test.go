package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shoal/configs"
)

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
	out, err := exec.Command(program(t, "tensorflow_model_server"), "--version").Output()
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

// bench and top say so in one line where they are given a gRPC port for the REST one.
func TestGRPCPortForREST(t *testing.T) {
	s := startModel(t, "half_plus_two")
	for command, args := range map[string][]string{"bench": {"bench", s.grpc}, "top": {"top", "--once", s.grpc}} {
		stdout, stderr, code := shoal(t, ".", args...)
		if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "is a gRPC port") || !strings.Contains(stderr, s.grpc) {
			t.Errorf("%s: exit %d, %q %q", command, code, stdout, stderr)
		}
	}
}

// A file that cannot be written is told before the run.
func TestReportThatCannotBeWritten(t *testing.T) {
	s := startModel(t, "half_plus_two")
	dir := t.TempDir()
	for _, flag := range []string{"--html", "--json"} {
		path := filepath.Join(dir, "no_such", "report")
		_, stderr, code := shoal(t, ".", "bench", s.url, "--duration=1h", flag+"="+path)
		if code != 1 || !strings.Contains(stderr, flag+": ") || !strings.Contains(stderr, path) {
			t.Errorf("%s: exit %d, %q", flag, code, stderr)
		}
	}
	for _, flag := range []string{"--out", "--json"} {
		_, stderr, code := shoal(t, testModels(t), "tune", "half_plus_two", "--time=1h", flag+"="+filepath.Join(dir, "no_such", "file"))
		if code != 1 || !strings.Contains(stderr, flag+": ") {
			t.Errorf("tune %s: exit %d, %q", flag, code, stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// What takes long tells how far it is where its output is no terminal, too: in lines, without control characters.
func TestProgressInLines(t *testing.T) {
	s := startModel(t, "half_plus_two")
	for want, args := range map[string][]string{
		"running: step 12 of 12, ": {"bench", s.url, "--curve", "--rate=20", "--duration=200ms", "--warmup=50ms", "--clients=2"},
		"%  batch ":                {"tune", testModels(t) + "/half_plus_two", "--time=200ms", "--max-batch-size=2"},
	} {
		_, stderr, _ := shoal(t, ".", args...)
		if !slices.ContainsFunc(strings.Split(stderr, "\n"), func(line string) bool { return strings.Contains(line, want) }) || strings.ContainsAny(stderr, "\r\x1b") {
			t.Errorf("%v: no line %q, or control characters, in %q", args, want, stderr)
		}
	}
}
