package telemetry

import (
	"slices"
	"testing"
	"time"

	"shoal/batcher"
	"shoal/devices"
	"shoal/devices/fake"
	"shoal/serving"
)

// onGPU is an instance on the first of gpus.
type onGPU struct{ batcher.Executor }

func (onGPU) Device() string { return "gpu:0" }

type reader struct{ latest *devices.Snapshot }

func (r reader) Snapshot() *devices.Snapshot { return r.latest }

// gpus are two, of which the second is lost.
func gpus() devices.Reader {
	list := fake.GPUs(2)
	return reader{&devices.Snapshot{Devices: []devices.Status{
		{Device: list[0], State: devices.InService, Reading: devices.Reading{
			Utilization: devices.Known(0.75), MemoryUsed: devices.Known(1 << 30), Power: devices.Known(300), PowerLimit: devices.Known(400),
			Temperature: devices.Known(61), SMClock: devices.Known(1830), MemoryClock: devices.Known(2619), Throttle: 0b100,
			ECCCorrected: devices.Known(3), ECCUncorrected: devices.Known(0),
		}},
		{Device: list[1], State: devices.Lost, Losses: 2, Xids: 1},
	}}}
}

// Devices makes the fake servable one that is on a device.
func (fakeServable) Devices() []serving.DeviceUse {
	return []serving.DeviceUse{{Device: "gpu:0", GPU: true, Instances: 2, InService: true, PinnedTo: "/device:GPU:0", Ops: 12, Elsewhere: map[string]int{"A": 2, "B": 1}}}
}

func TestDeviceMetrics(t *testing.T) {
	tel := newTelemetry(t)
	tel.Watch(newCore())
	exercise(tel)
	page := families(t, tel)
	list := fake.GPUs(2)
	first, second := []string{"device", "gpu:0", "id", list[0].ID}, []string{"device", "gpu:1", "id", list[1].ID}
	use := []string{"model", "m", "version", "2", "device", "gpu:0"}
	with := func(labels []string, more ...string) []string { return append(slices.Clone(labels), more...) }
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"shoal_device_in_service", with(first, "name", "Fake GPU"), 1},
		{"shoal_device_in_service", with(second, "name", "Fake GPU"), 0},
		{"shoal_device_losses_total", second, 2},
		{"shoal_device_xids_total", second, 1},
		{"shoal_device_batches_total", []string{"device", "gpu:0"}, float64(len(reasons))},
		{"shoal_device_busy_seconds_total", []string{"device", "gpu:0"}, (time.Duration(len(reasons)) * 4 * time.Millisecond).Seconds()},
		{"shoal_device_utilization_ratio", first, 0.75},
		{"shoal_device_memory_used_bytes", first, 1 << 30},
		{"shoal_device_memory_bytes", second, 80 << 30},
		{"shoal_device_clock_hertz", with(first, "clock", "sm"), 1.83e9},
		{"shoal_device_throttled", with(first, "reason", "sw_power_cap"), 1},
		{"shoal_device_ecc_errors_total", with(first, "kind", "corrected"), 3},
		{"shoal_device_instances", use, 2},
		{"shoal_device_ops", with(use, "place", "here"), 12},
		{"shoal_device_ops", with(use, "place", "elsewhere"), 3},
	} {
		if got, ok := value(page[c.name], c.labels...); !ok || got != c.want {
			t.Errorf("%s%q is %v (%v), want %v", c.name, c.labels, got, ok, c.want)
		}
	}
	if _, ok := value(page["shoal_device_utilization_ratio"], second...); ok {
		t.Error("a lost device has no readings")
	}
}
