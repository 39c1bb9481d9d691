package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// most is how many packages the program may consist of. net/http with TLS and the flags' library are 192 of them.
const most = 200

// The program is started every few seconds in each container: it is small, and needs neither cgo nor gRPC.
func TestSize(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	packages := strings.Fields(string(out))
	if len(packages) > most || len(packages) < 10 {
		t.Errorf("it consists of %d packages, want at most %d", len(packages), most)
	}
	for _, path := range packages {
		for _, heavy := range []string{"google.golang.org/", "github.com/NVIDIA/", "github.com/wamuir/"} {
			if strings.HasPrefix(path, heavy) {
				t.Errorf("it imports %s", path)
			}
		}
	}
	program := filepath.Join(t.TempDir(), "shoal-healthcheck")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Env = list.Env
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
