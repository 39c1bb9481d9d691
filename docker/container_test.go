package docker

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// container is a running one; the test's end removes it.
type container struct {
	t          *testing.T
	id         string
	rest, grpc string // addresses, "" without a network
}

func start(t *testing.T, image string, options []string, args ...string) *container {
	t.Helper()
	command := slices.Concat([]string{"run", "--detach", "--publish=127.0.0.1::8500", "--publish=127.0.0.1::8501"}, options, []string{image}, args)
	c := &container{t: t, id: strings.TrimSpace(docker(t, command...))}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := exec.Command("docker", "logs", c.id).CombinedOutput()
			t.Logf("the container's log:\n%s", log)
		}
		if out, err := exec.Command("docker", "rm", "--force", "--volumes", c.id).CombinedOutput(); err != nil {
			t.Errorf("docker rm: %v\n%s", err, out)
		}
	})
	if !slices.Contains(options, "--network=none") {
		c.grpc = strings.TrimSpace(docker(t, "port", c.id, "8500/tcp"))
		c.rest = "http://" + strings.TrimSpace(docker(t, "port", c.id, "8501/tcp"))
	}
	return c
}

// stop ends it the way docker stop does, and checks that it ended by itself and in order.
func (c *container) stop(t *testing.T) {
	t.Helper()
	docker(t, "stop", "--time=35", c.id)
	if code := strings.TrimSpace(docker(t, "inspect", "--format", "{{.State.ExitCode}}", c.id)); code != "0" {
		t.Errorf("exit code %s after SIGTERM, want 0", code)
	}
}

func (c *container) healthcheck(t *testing.T) (string, error) {
	out, err := exec.CommandContext(t.Context(), "docker", "exec", c.id, "shoal-healthcheck").CombinedOutput()
	return string(out), err
}

// eventually polls a condition, and fails the test when it does not come true within a minute.
func (c *container) eventually(what string, ok func() bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			c.t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// get is the code that a GET answers, 0 where nothing answers.
func (c *container) get(path string) int {
	resp, err := http.Get(c.rest + path)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// predictREST is the answer for 1 and 2, without white space.
func (c *container) predictREST(t *testing.T) string {
	t.Helper()
	resp, err := http.Post(c.rest+"/v1/models/my_model:predict", "application/json", strings.NewReader(`{"instances": [1.0, 2.0]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(body)), "")
}

// predictGRPC is the answer for 1 and 2.
func (c *container) predictGRPC(t *testing.T) []float32 {
	t.Helper()
	conn, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	req := &apis_go_proto.PredictRequest{
		ModelSpec: &apis_go_proto.ModelSpec{Name: "my_model"},
		Inputs: map[string]*tensor_go_proto.TensorProto{"x": {
			Dtype:       types_go_proto.DataType_DT_FLOAT,
			TensorShape: &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: 2}}},
			FloatVal:    []float32{1, 2},
		}},
	}
	var resp apis_go_proto.PredictResponse
	if err := conn.Invoke(t.Context(), "/tensorflow.serving.PredictionService/Predict", req, &resp); err != nil {
		t.Fatal(err)
	}
	return resp.Outputs["y"].GetFloatVal()
}

// --- what is needed

// needImage skips the test where it cannot run.
func needImage(t *testing.T, image string) {
	t.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("docker is not installed")
	}
	if out, err := exec.CommandContext(t.Context(), "docker", "info").CombinedOutput(); err != nil {
		t.Skipf("no Docker engine answers (docker/engine.sh starts one on Debian): %s", bytes.TrimSpace(out[max(0, len(out)-200):]))
	}
	if err := exec.CommandContext(t.Context(), "docker", "image", "inspect", image).Run(); err != nil {
		t.Skipf("%s was not built: make docker, make docker-gpu", image)
	}
}

// docker runs the client and returns what it printed.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// addVersion copies a version of the test model half_plus_two: 1 is x/2 + 2, 2 is x/2 + 3. It appears whole.
func addVersion(t *testing.T, dir, version string) {
	t.Helper()
	source := filepath.Join("..", ".cache", "models", "test", "half_plus_two", version)
	if _, err := os.Stat(source); err != nil {
		t.Skipf("the test models are not there (make test-deps makes them): %v", err)
	}
	copied := filepath.Join(dir, "copying")
	if err := os.CopyFS(copied, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copied, filepath.Join(dir, version)); err != nil {
		t.Fatal(err)
	}
}
