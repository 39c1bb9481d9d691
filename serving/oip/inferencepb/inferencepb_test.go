package inferencepb

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated: the Go code is what protoc makes of inference.proto.
func TestGenerated(t *testing.T) {
	clients, err := filepath.Abs("../../../.cache/oip")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(clients, "grpc_tools")); err != nil {
		t.Skip("there is no protoc: make test-deps fetches it")
	}
	dir := t.TempDir()
	plugin := filepath.Join(dir, "protoc-gen-go")
	run(t, exec.Command("go", "build", "-o", plugin, "google.golang.org/protobuf/cmd/protoc-gen-go"))
	python := "python3"
	if named := os.Getenv("PYTHON"); named != "" {
		python = named
	}
	protoc := exec.Command(python, "-m", "grpc_tools.protoc", "-I", ".", "--plugin="+plugin, "--go_out="+dir, "--go_opt=paths=source_relative", "inference.proto")
	protoc.Env = append(os.Environ(), "PYTHONPATH="+clients)
	run(t, protoc)
	want, err := os.ReadFile(filepath.Join(dir, "inference.pb.go"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("inference.pb.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("inference.pb.go is not what inference.proto says: run make proto")
	}
}

func run(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
}
