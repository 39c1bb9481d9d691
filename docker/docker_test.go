// Package docker tests the images in a real engine, the way people run them. Where no engine answers, or an image was not
// built, the tests are skipped and say so: make docker-test builds the CPU image and runs them.
package docker

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	cpuImage = "shoal:cpu"
	gpuImage = "shoal:gpu"

	mebibyte   = 1 << 20
	maxCPUSize = 820 * mebibyte // OpenVINO is 87 MB of it
)

// TestImage checks what orchestrators read off an image before they run it.
func TestImage(t *testing.T) {
	needImage(t, cpuImage)
	var found []struct {
		Size   int64
		Config struct {
			User         string
			Entrypoint   []string
			ExposedPorts map[string]any
			Healthcheck  *struct{ Test []string }
		}
	}
	if err := json.Unmarshal([]byte(docker(t, "image", "inspect", cpuImage)), &found); err != nil {
		t.Fatal(err)
	}
	image := found[0]
	t.Logf("%s: %d MiB", cpuImage, image.Size/mebibyte)
	if image.Size > maxCPUSize {
		t.Errorf("%d MiB, want at most %d", image.Size/mebibyte, maxCPUSize/mebibyte)
	}
	if image.Config.User != "65532:65532" {
		t.Errorf("user %q, want the number of one without rights", image.Config.User)
	}
	for _, port := range []string{"8500/tcp", "8501/tcp"} {
		if _, ok := image.Config.ExposedPorts[port]; !ok {
			t.Errorf("port %s is not exposed", port)
		}
	}
	if image.Config.Healthcheck == nil {
		t.Error("there is no health check")
	}
	if want := []string{"/usr/bin/tf_serving_entrypoint.sh"}; !slices.Equal(image.Config.Entrypoint, want) {
		t.Errorf("entrypoint %q, want %q", image.Config.Entrypoint, want)
	}
}

// TestServe is a day in a container's life: it is started as TensorFlow Serving's is, answers over both APIs, has its version
// replaced, and is stopped.
func TestServe(t *testing.T) {
	needImage(t, cpuImage)
	models := t.TempDir()
	addVersion(t, models, "1")
	c := start(t, cpuImage, []string{"-v", models + ":/models/my_model", "-e", "MODEL_NAME=my_model", "--health-interval=1s"})
	c.eventually("it is ready", func() bool { return c.get("/readyz") == http.StatusOK })
	if got := c.predictREST(t); got != `{"predictions":[2.5,3.0]}` {
		t.Errorf("REST answered %s", got)
	}
	if got := c.predictGRPC(t); !slices.Equal(got, []float32{2.5, 3}) {
		t.Errorf("gRPC answered %v", got)
	}
	if got := docker(t, "exec", c.id, "id", "-u"); strings.TrimSpace(got) != "65532" {
		t.Errorf("it runs as user %s", got)
	}
	c.eventually("the engine calls it healthy", func() bool {
		return strings.TrimSpace(docker(t, "inspect", "--format", "{{.State.Health.Status}}", c.id)) == "healthy"
	})

	addVersion(t, models, "2")
	c.eventually("version 2 answers", func() bool { return c.predictREST(t) == `{"predictions":[3.5,4.0]}` })
	if err := os.RemoveAll(filepath.Join(models, "1")); err != nil {
		t.Fatal(err)
	}
	if got := c.predictGRPC(t); !slices.Equal(got, []float32{3.5, 4}) {
		t.Errorf("gRPC answered %v after the change", got)
	}
	c.stop(t)
}

// TestHardened runs with everything taken away that can be, on another port: the health check finds it.
func TestHardened(t *testing.T) {
	needImage(t, cpuImage)
	models := t.TempDir()
	addVersion(t, models, "1")
	c := start(t, cpuImage, []string{"-v", models + ":/models/model:ro", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL",
		"--security-opt=no-new-privileges", "--network=none"}, "--rest_api_port=9501")
	c.eventually("its health check succeeds", func() bool { _, err := c.healthcheck(t); return err == nil })
	c.stop(t)
}

// TestNoModel starts without a model: the container stays, says why, and is not healthy.
func TestNoModel(t *testing.T) {
	needImage(t, cpuImage)
	c := start(t, cpuImage, nil)
	c.eventually("it answers", func() bool { return c.get("/readyz") != 0 })
	out, err := c.healthcheck(t)
	if err == nil || !strings.Contains(out, "503") {
		t.Errorf("the health check: %v, %s", err, out)
	}
}

// TestGPUImageWithoutGPU serves on the CPU, and says that it does.
func TestGPUImageWithoutGPU(t *testing.T) {
	needImage(t, gpuImage)
	if out := docker(t, "run", "--rm", "--entrypoint=shoal", gpuImage, "devices"); !strings.Contains(out, "no GPU") {
		t.Errorf("shoal devices does not say that there is no GPU:\n%s", out)
	}
	models := t.TempDir()
	addVersion(t, models, "1")
	c := start(t, gpuImage, []string{"-v", models + ":/models/my_model", "-e", "MODEL_NAME=my_model"})
	c.eventually("it is ready", func() bool { return c.get("/readyz") == http.StatusOK })
	if got := c.predictREST(t); got != `{"predictions":[2.5,3.0]}` {
		t.Errorf("REST answered %s", got)
	}
	c.stop(t)
}
