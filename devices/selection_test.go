package devices

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// targets are "gpu:1=GPU:0" and so on.
func targets(list []Target) string {
	var words []string
	for _, t := range list {
		words = append(words, fmt.Sprintf("%v=%s", t.Device, strings.TrimPrefix(t.TensorFlowName, "/device:")))
	}
	return strings.Join(words, " ")
}

func TestSelect(t *testing.T) {
	b := newBox(4)
	inv, _ := discover(t, b, map[string]string{"CUDA_VISIBLE_DEVICES": "2,0,1"}) // GPU-1…, GPU-3…, GPU-2…
	inv.CPUs = cpus(machine, 2)
	for spec, want := range map[string]string{
		"auto":             "gpu:0=GPU:0 gpu:1=GPU:1 gpu:2=GPU:2",
		"gpu":              "gpu:0=GPU:0 gpu:1=GPU:1 gpu:2=GPU:2",
		"cpu":              "cpu:0=CPU:0 cpu:1=CPU:1",
		"cpu:1":            "cpu:1=CPU:1",
		"gpu:2,0":          "gpu:2=GPU:0 gpu:0=GPU:1",
		"gpu:1,cpu:0":      "gpu:1=GPU:0 cpu:0=CPU:0",
		"GPU:2":            "gpu:2=GPU:0",
		"gpu-3,GPU-1":      "gpu:1=GPU:0 gpu:0=GPU:1",
		"0000:13:00.0":     "gpu:0=GPU:0",
		"cpu:0, gpu:1 , 2": "cpu:0=CPU:0 gpu:1=GPU:0 gpu:2=GPU:1",
		"00000000:11:00.0": "gpu:1=GPU:0",
	} {
		s, err := inv.Select(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
		} else if got := targets(s.Targets); got != want {
			t.Errorf("%s selects %s, want %s", spec, got, want)
		}
	}
	for spec, lines := range map[string][]string{
		"":                {"an empty word"},
		"gpu:0,":          {"an empty word"},
		"tpu":             {`"tpu" names no device`},
		"0":               {`"0" names no device`},
		"gpu:x":           {"is no number"},
		"gpu:-1":          {"is no number"},
		"gpu:3":           {"no gpu:3: they are gpu:0 to gpu:2"},
		"gpu:0,0":         {"named twice"},
		"gpu,gpu:1":       {"named twice"},
		"GPU-":            {"beginning of 3 UUIDs"},
		"GPU-0":           {"hidden from this process: not in CUDA_VISIBLE_DEVICES=2,0,1"},
		"GPU-9":           {"no GPU GPU-9"},
		"tpu,gpu:7,cpu:4": {"tpu", "gpu:7", "cpu:4"},
	} {
		_, err := inv.Select(spec)
		got := strings.Split(fmt.Sprint(err), "\n")
		if status.Code(err) != codes.InvalidArgument || len(got) != len(lines) {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		for i, line := range lines {
			if !strings.Contains(got[i], line) {
				t.Errorf("%s: %q, want %q", spec, got[i], line)
			}
		}
	}
}

func TestSelectAvoidsUnusableGPUs(t *testing.T) {
	b := newBox(3)
	b.gpu(2).GetComputeModeFunc = func() (nvml.ComputeMode, nvml.Return) { return nvml.COMPUTEMODE_PROHIBITED, nvml.SUCCESS }
	b.gpu(1).GetCudaComputeCapabilityFunc = func() (int, int, nvml.Return) { return 5, 2, nvml.SUCCESS }
	inv, _ := discover(t, b, nil)
	if s, err := inv.Select("auto"); err != nil || targets(s.Targets) != "gpu:2=GPU:0" {
		t.Errorf("auto selects %+v, %v", s, err)
	}
	for spec, want := range map[string]string{"gpu:0": "prohibited: nvidia-smi -i 0000:11:00.0 -c DEFAULT", "GPU-1": "capability is 5.2"} {
		if _, err := inv.Select(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
	b.gpu(0).GetComputeModeFunc = b.gpu(2).GetComputeModeFunc
	inv, _ = discover(t, b, nil)
	if s, err := inv.Select("auto"); err != nil || targets(s.Targets) != "cpu:0=CPU:0" {
		t.Errorf("auto without a usable GPU selects %+v, %v", s, err)
	}
	if _, err := inv.Select("gpu"); err == nil || strings.Count(err.Error(), "cannot be used") != 3 {
		t.Errorf("gpu without a usable GPU: %v", err)
	}
}

func TestWithoutGPUs(t *testing.T) {
	inv := Discover(Options{Manager: Null{Reason: "the test has none"}, Root: machine, Environment: environ(nil)})
	if s, err := inv.Select("auto"); err != nil || targets(s.Targets) != "cpu:0=CPU:0" {
		t.Errorf("auto selects %+v, %v", s, err)
	}
	var log bytes.Buffer
	inv.Log(slog.New(slog.NewTextHandler(&log, nil)))
	if text := log.String(); strings.Count(text, "level=INFO") != 2 || strings.Count(text, "the test has none") != 1 || !strings.Contains(text, "Some CPU") {
		t.Errorf("logged:\n%s", text)
	}
	for _, spec := range []string{"gpu", "gpu:0"} {
		if _, err := inv.Select(spec); err == nil || !strings.Contains(err.Error(), "the test has none") {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// Whatever CUDA_VISIBLE_DEVICES was, TensorFlow's GPU:i is the i-th that Prepare leaves.
func TestPrepare(t *testing.T) {
	for _, name := range []string{"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "TF_MIN_GPU_MULTIPROCESSOR_COUNT"} {
		t.Setenv(name, "before")
	}
	inv, _ := discover(t, newBox(4), map[string]string{"CUDA_VISIBLE_DEVICES": "3,1,0"})
	s, err := inv.Select("gpu:2,cpu:0,gpu:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	uuids := strings.Split(os.Getenv("CUDA_VISIBLE_DEVICES"), ",")
	for _, target := range s.Targets {
		var n int
		if _, err := fmt.Sscanf(target.TensorFlowName, "/device:GPU:%d", &n); err == nil && uuids[n] != target.ID {
			t.Errorf("%s is %s, and CUDA's %d is %s", target.TensorFlowName, target.ID, n, uuids[n])
		}
	}
	if !slices.Equal(uuids, []string{inv.GPUs[2].ID, inv.GPUs[0].ID}) || os.Getenv("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" {
		t.Errorf("CUDA_VISIBLE_DEVICES=%s, CUDA_DEVICE_ORDER=%s", uuids, os.Getenv("CUDA_DEVICE_ORDER"))
	}
	if s, err = inv.Select("cpu"); err != nil || s.Variables()["CUDA_VISIBLE_DEVICES"] != "-1" {
		t.Errorf("the CPU alone: %v, %v", s.Variables(), err)
	}
}
