package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bench and top say so in one line where they are given a gRPC port for the REST one.
func TestGRPCPortForREST(t *testing.T) {
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
	for command, args := range map[string][]string{"bench": {"bench", s.grpc}, "top": {"top", "--once", s.grpc}} {
		stdout, stderr, code := shoal(t, ".", args...)
		if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "is a gRPC port") || !strings.Contains(stderr, s.grpc) {
			t.Errorf("%s: exit %d, %q %q", command, code, stdout, stderr)
		}
	}
}

// A file that cannot be written is told before the run.
func TestReportThatCannotBeWritten(t *testing.T) {
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
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
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
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
