package openvino

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestMissingLibrarySaysWhatToInstall(t *testing.T) {
	empty, broken := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "libopenvino_c.so.1"), []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, why := range map[string]string{empty: "it is in none of " + empty, broken: "libopenvino_c.so.1"} {
		err := open([]string{dir})
		if status.Code(err) != codes.FailedPrecondition {
			t.Fatalf("%v, want FAILED_PRECONDITION", err)
		}
		for _, want := range []string{why, "make deps", "pip install openvino==" + Release, "--openvino_library_dir"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
	}
}

func TestMessagesAreOneLineWithoutSourceFiles(t *testing.T) {
	got := plain("Exception from src/inference/src/cpp/core.cpp:135:\nCheck 'x' failed at src/y.cpp:1:\n\nFrontEnd API failed:\n  No conversion rule found\n\n")
	if want := "FrontEnd API failed: No conversion rule found"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
