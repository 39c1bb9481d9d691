package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/serving/predictionlog"
)

// testModels is the directory of the test models; the test is skipped where they were not made.
func testModels(t testing.TB) string { return made(t, "test") }

func made(t testing.TB, name string) string {
	t.Helper()
	dir := inRepository(t, ".cache", "models", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the test models are not there (make test-models makes them): %v", err)
	}
	return dir
}

// inRepository is the absolute path of a file of the repository.
func inRepository(t testing.TB, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{".."}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// writeFile writes a file into dir and returns its path.
func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// shortDir is a directory whose path leaves room for the name of a UNIX socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// modelsConfig writes a configuration with half_plus_two, all versions and labels, and the newest of the models named.
func modelsConfig(t testing.TB, names ...string) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `model_config_list { config { name: "half_plus_two" base_path: "%s/half_plus_two" model_platform: "tensorflow"
		model_version_policy { all {} } version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 } }`, testModels(t))
	for _, name := range names {
		fmt.Fprintf(&b, "\nconfig { name: %q base_path: \"%s/%s\" model_platform: \"tensorflow\" }", name, testModels(t), name)
	}
	b.WriteString("\n}\n")
	return writeFile(t, t.TempDir(), "models.config", b.String())
}

// configOf lists models that lie in one directory.
func configOf(t testing.TB, dir string, names ...string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "config { name: %q base_path: \"%s/%s\" model_platform: \"tensorflow\" }\n", name, dir, name)
	}
	return writeFile(t, dir, "models.config", "model_config_list {\n"+b.String()+"}\n")
}

// recordedConfig is the configuration that the answers in testdata were recorded with.
func recordedConfig(t *testing.T) string {
	return modelsConfig(t, "identity", "multi", "scalar", "fixed", "nonbatch")
}

// copyVersion copies a version of a test model to base/version the way that deployments do: under a name that is no number,
// then renamed.
func copyVersion(t testing.TB, from, base string, version int) {
	t.Helper()
	tmp := filepath.Join(base, fmt.Sprintf("copying-%d", version))
	if err := os.CopyFS(tmp, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(base, strconv.Itoa(version))); err != nil {
		t.Fatal(err)
	}
}

// copyModel copies version 1 of half_plus_two to dir/name/1, with one more file in it.
func copyModel(t testing.TB, dir, name, file string, content []byte) {
	t.Helper()
	base := filepath.Join(dir, name)
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	copyVersion(t, testModels(t)+"/half_plus_two/1", base, 1)
	if file == "" {
		return
	}
	to := filepath.Join(base, "1", file)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// changed is a new base path whose version 1 is half_plus_two's, with its SavedModel changed.
func changed(t *testing.T, change func(*pb.SavedModel)) (base string) {
	t.Helper()
	base = t.TempDir()
	if err := os.CopyFS(base+"/1", os.DirFS(testModels(t)+"/half_plus_two/1")); err != nil {
		t.Fatal(err)
	}
	file := base + "/1/saved_model.pb"
	raw, err := os.ReadFile(file)
	model := new(pb.SavedModel)
	if err == nil {
		err = proto.Unmarshal(raw, model)
	}
	if err != nil {
		t.Fatal(err)
	}
	change(model)
	if raw, err = proto.Marshal(model); err == nil {
		err = os.WriteFile(file, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// withWarmUp copies a version of half_plus_two to dir/name/1 and puts a file of warm-up requests into it.
func withWarmUp(t testing.TB, dir, name, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copyModel(t, dir, name, predictionlog.WarmUpFile, data)
}

func symlink(t *testing.T, to, at string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func fifo(t *testing.T, path string) string {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
