package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pythonCommand runs a script of testdata/python with the packages of .cache/python; the test is skipped without them.
func pythonCommand(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()
	packages := inRepository(t, ".cache", "python")
	if _, err := os.Stat(packages); err != nil {
		t.Skipf("TensorFlow's Python clients are not there (make test-deps fetches them): %v", err)
	}
	interpreter := os.Getenv("PYTHON")
	if interpreter == "" {
		interpreter = "python3"
	}
	cmd := exec.CommandContext(t.Context(), interpreter, append([]string{inRepository(t, "e2e", "testdata", "python", script)}, args...)...)
	packages += string(os.PathListSeparator) + inRepository(t, ".cache", "oip")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONDONTWRITEBYTECODE=1", "TF_CPP_MIN_LOG_LEVEL=3", "CUDA_VISIBLE_DEVICES=-1")
	return cmd
}

// inferenceClients skips the test without the clients of the Open Inference Protocol.
func inferenceClients(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(inRepository(t, ".cache", "oip")); err != nil {
		t.Skipf("the clients of the Open Inference Protocol are not there (make test-deps fetches them): %v", err)
	}
}

// python runs a script and returns what it printed.
func python(t testing.TB, script string, args ...string) string {
	t.Helper()
	cmd := pythonCommand(t, script, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, &stderr)
	}
	return string(out)
}

// pythonChecks runs the checks of modules, and makes each a subtest.
func pythonChecks(t *testing.T, modules []string, values map[string]string) {
	args := append(modules[:len(modules):len(modules)], "--")
	for name, value := range values {
		args = append(args, name+"="+value)
	}
	cmd := pythonCommand(t, "run.py", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var outcome struct{ Check, Error string }
		if json.Unmarshal(lines.Bytes(), &outcome) != nil {
			continue // something that a library has printed
		}
		module, name, _ := strings.Cut(outcome.Check, ".")
		ran[module] = true
		t.Run(module+"/"+name, func(t *testing.T) {
			if outcome.Error != "" {
				t.Error(outcome.Error)
			}
		})
	}
	if err := cmd.Wait(); err != nil && !t.Failed() || len(ran) != len(modules) {
		t.Errorf("%v: %v; modules that ran: %v\n%s", cmd, err, ran, &stderr)
	}
}

// The published Python clients judge the APIs. The checks are in testdata/python; each is a subtest here.
func TestPythonClients(t *testing.T) {
	root := testModels(t)
	socket := filepath.Join(shortDir(t), "grpc.sock")
	s := start(t, "--model_config_file="+modelsConfig(t, "identity", "multi", "fixed", "tf1", "estimator", "fail_on_negative"),
		"--allow_version_labels_for_unavailable_models", "--grpc_socket_path="+socket)
	other := start(t, "--model_config_file="+modelsConfig(t, "identity", "estimator"), "--allow_version_labels_for_unavailable_models",
		"--enable_serialization_as_tensor_content", "--enable_signature_method_name_check")
	changing := startModel(t, "half_plus_two")
	for _, s := range []*server{s, other} { // ready is a server with one version of each model
		s.eventually("both versions are there", func() bool { return len(s.available("half_plus_two")) == 2 })
	}
	pythonChecks(t, []string{"predict", "inference", "models", "rest"}, map[string]string{
		"grpc": s.grpc, "rest": s.url, "socket": socket, "content": other.grpc, "strict": other.grpc, "changing": changing.grpc, "root": root})
}
