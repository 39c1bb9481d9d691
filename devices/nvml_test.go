package devices

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

func TestDiscoveryFollowsThePCIBus(t *testing.T) {
	inv, _ := discover(t, newBox(3), nil)
	want := []string{"GPU-20000000-aaaa-4bbb-8ccc-dddddddddddd", "GPU-10000000-aaaa-4bbb-8ccc-dddddddddddd", "GPU-00000000-aaaa-4bbb-8ccc-dddddddddddd"}
	if got := ids(inv.GPUs); !slices.Equal(got, want) {
		t.Fatalf("GPUs %v, want %v", got, want)
	}
	d := inv.GPUs[1] // bus 0x12
	if d.Index != 1 || d.String() != "gpu:1" || d.Name != "NVIDIA H100 80GB HBM3" || d.MemoryBytes != 80<<30 {
		t.Errorf("device %+v", d)
	}
	if g := d.GPU; g.PCI.String() != "0000:12:00.0" || g.ComputeCapability != (Capability{9, 0}) || g.ComputeMode != ModeDefault ||
		g.PCIeGeneration != 5 || g.PCIeWidth != 16 || g.MIGEnabled || g.MIG != nil {
		t.Errorf("GPU %+v", g)
	}
	if !slices.Equal(d.NUMANodes, []int{1}) || d.CPUs.String() != "32-63,96-127" {
		t.Errorf("near: nodes %v, processors %v", d.NUMANodes, d.CPUs)
	}
	if other := inv.GPUs[0]; other.NUMANodes != nil || other.CPUs != nil {
		t.Errorf("a GPU without a directory in /sys: nodes %v, processors %v", other.NUMANodes, other.CPUs)
	}
	if inv.NoGPU != "" || inv.Driver != (Driver{"550.54.15", "12.550.54.15", "12.4"}) {
		t.Errorf("no GPU %q, driver %+v", inv.NoGPU, inv.Driver)
	}
}

func TestNoGPUIsAnOrdinaryCase(t *testing.T) {
	for ret, word := range map[nvml.Return]string{
		nvml.ERROR_LIBRARY_NOT_FOUND:       "libnvidia-ml.so.1 is not found",
		nvml.ERROR_DRIVER_NOT_LOADED:       "driver is not loaded",
		nvml.ERROR_LIB_RM_VERSION_MISMATCH: "different versions",
		nvml.ERROR_NO_PERMISSION:           "/dev/nvidiactl",
		nvml.ERROR_UNKNOWN:                 "ERROR_UNKNOWN",
	} {
		b := newBox(1)
		b.InitFunc = func() nvml.Return { return ret }
		inv, _ := discover(t, b, nil)
		if len(inv.GPUs) != 0 || len(inv.CPUs) != 1 || !strings.Contains(inv.NoGPU, word) {
			t.Errorf("%v: GPUs %v, CPUs %v, reason %q", ret, inv.GPUs, inv.CPUs, inv.NoGPU)
		}
	}
	if inv, _ := discover(t, newBox(0), nil); inv.NoGPU != "the NVIDIA driver shows no GPU" {
		t.Errorf("driver without GPUs: %q", inv.NoGPU)
	}
}

// A GPU that is there and does not answer keeps its place, and does not hide the others.
func TestMuteGPU(t *testing.T) {
	b := newBox(2)
	b.DeviceGetHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
		if i == 1 {
			return nil, nvml.ERROR_GPU_IS_LOST
		}
		return b.Devices[i], nvml.SUCCESS
	}
	inv, _ := discover(t, b, nil)
	if len(inv.GPUs) != 2 || inv.GPUs[0].Unusable != "" || inv.GPUs[1].Unusable == "" {
		t.Fatalf("GPUs %+v", inv.GPUs)
	}
	s, err := inv.Select("gpu")
	if err != nil || len(s.Targets) != 1 || s.Targets[0].Device != inv.GPUs[0] {
		t.Errorf("gpu selects %+v, %v", s, err)
	}
}

func TestReading(t *testing.T) {
	inv, m := discover(t, newBox(1), nil)
	r, err := m.Read(inv.GPUs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	want := Reading{
		Utilization: Known(0.73), MemoryUtilization: Known(0.31), MemoryUsed: Known(uint64(20 << 30)), MemoryFree: Known(uint64(60 << 30)),
		Power: Known(412.5), PowerLimit: Known(700), Temperature: Known(64), SMClock: Known(1830), MemoryClock: Known(2619),
		Throttle: 4 | 64, PCIeGeneration: Known(1), PCIeWidth: Known(8), ECCUncorrected: Known(0), ECCCorrected: Known(12),
	}
	if r != want {
		t.Errorf("reading\n%+v, want\n%+v", r, want)
	}
	if got := r.Throttle.String(); got != "sw_power_cap,hw_thermal_slowdown" || !r.Throttle.Slowed() {
		t.Errorf("throttle reasons %q", got)
	}
	if Throttle(3).Slowed() {
		t.Error("an idle GPU is not slowed")
	}
}

// Older drivers lack the newer name of the throttle reasons; calling it would end the process.
func TestReadingWithAnOlderDriver(t *testing.T) {
	b := newBox(1)
	b.LookupSymbolFunc = func(string) error { return errors.New("not there") }
	b.gpu(0).GetCurrentClocksEventReasonsFunc = nil // would panic
	b.gpu(0).GetCurrentClocksThrottleReasonsFunc = func() (uint64, nvml.Return) { return 8, nvml.SUCCESS }
	inv, m := discover(t, b, nil)
	if r, err := m.Read(inv.GPUs[0].ID); err != nil || r.Throttle.String() != "hw_slowdown" {
		t.Errorf("%v, %v", r.Throttle, err)
	}
}

func TestLostGPU(t *testing.T) {
	b := newBox(2)
	inv, m := discover(t, b, nil)
	b.lost[0] = true
	if _, err := m.Read(b.gpu(0).UUID); !errors.Is(err, ErrLost) {
		t.Errorf("reading a lost GPU: %v", err)
	}
	if _, err := m.Read(inv.GPUs[0].ID); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	b.lost[0] = false
	if err := m.Reopen(); err != nil || b.inits != 2 {
		t.Fatalf("reopen: %v after %d starts", err, b.inits)
	}
	if _, err := m.Read(b.gpu(0).UUID); err != nil {
		t.Errorf("reading it after its return: %v", err)
	}
	if _, err := m.Read("GPU-unheard-of"); !errors.Is(err, ErrLost) {
		t.Errorf("reading one that never was: %v", err)
	}
}

func TestEvents(t *testing.T) {
	b := newBox(1)
	_, m := discover(t, b, nil)
	if _, ok, err := m.Wait(0); ok || err != nil {
		t.Fatalf("without events: %v, %v", ok, err)
	}
	for _, c := range []struct {
		data     nvml.EventData
		want     Event
		critical bool
	}{
		{nvml.EventData{Device: b.gpu(0), EventType: nvml.EventTypeXidCriticalError, EventData: 79, GpuInstanceId: ^uint32(0)},
			Event{ID: b.gpu(0).UUID, Kind: EventXid, Xid: 79, GPUInstance: -1}, true},
		{nvml.EventData{Device: b.gpu(0), EventType: nvml.EventTypeXidCriticalError, EventData: 31, GpuInstanceId: 3},
			Event{ID: b.gpu(0).UUID, Kind: EventXid, Xid: 31, GPUInstance: 3}, false},
		{nvml.EventData{Device: b.gpu(0), EventType: nvml.EventTypeDoubleBitEccError, GpuInstanceId: ^uint32(0)},
			Event{ID: b.gpu(0).UUID, Kind: EventECCUncorrected, GPUInstance: -1}, true},
		{nvml.EventData{EventType: nvml.EventTypeGpuUnavailableError, GpuInstanceId: ^uint32(0)},
			Event{Kind: EventUnavailable, GPUInstance: -1}, true},
	} {
		b.events <- c.data
		if got, ok, err := m.Wait(0); got != c.want || !ok || err != nil || got.critical() != c.critical {
			t.Errorf("event %+v (critical: %v), %v, %v; want %+v", got, got.critical(), ok, err, c.want)
		}
	}
}

func TestGPUsThatTellNoEvents(t *testing.T) {
	b := newBox(1)
	b.gpu(0).GetSupportedEventTypesFunc = func() (uint64, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	_, m := discover(t, b, nil)
	for range 2 {
		if _, _, err := m.Wait(0); !errors.Is(err, ErrUnsupported) {
			t.Errorf("waiting: %v", err)
		}
	}
	if len(b.sets) != 1 || len(b.sets[0].FreeCalls()) != 1 {
		t.Errorf("%d event sets were made; each is to be freed, and there should be one", len(b.sets))
	}
}
