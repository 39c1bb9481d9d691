package main

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/configs"
	"shoal/configs/configfile"
	"shoal/devices"
	"shoal/devices/fake"
)

// GPUs that NVML shows and TensorFlow does not have are an error where somebody asked for them, and else the CPU serves.
func TestGPUsThatTensorFlowDoesNotHave(t *testing.T) {
	for _, name := range []string{"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "TF_MIN_GPU_MULTIPROCESSOR_COUNT"} {
		t.Setenv(name, "") // what is set here is put back
		os.Unsetenv(name)
	}
	var log bytes.Buffer
	fleet := func(use string) (*devices.Fleet, error) {
		os.Unsetenv("CUDA_VISIBLE_DEVICES")
		cfg := configs.Default()
		cfg.Devices.Use = use
		return newFleet(cfg, &configFiles{Files: &configfile.Files{}}, fake.New(fake.GPUs(2)...), slog.New(slog.NewTextHandler(&log, nil)))
	}
	f, err := fleet("auto")
	if err != nil {
		t.Fatal(err)
	}
	if placed, err := f.Place("m"); err != nil || len(placed) != 1 || placed[0].Kind != devices.CPU || !f.Alone(placed[0].Device) {
		t.Errorf("%+v, %v", placed, err)
	}
	if !strings.Contains(log.String(), "the GPUs are not used") || os.Getenv("CUDA_VISIBLE_DEVICES") != "-1" {
		t.Errorf("CUDA_VISIBLE_DEVICES=%s\n%s", os.Getenv("CUDA_VISIBLE_DEVICES"), log.String())
	}
	if _, err := fleet("gpu:1"); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "--devices=gpu:1: TensorFlow does not have 1 of the GPUs, gpu:1 among them") {
		t.Error(err)
	}
}
