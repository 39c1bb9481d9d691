package devices

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// TestSharedLibrary goes through the binding as it is used on a machine with GPUs: a library is loaded, asked, told of a loss
// by, and started anew. It lacks the functions of newer drivers, any call of which would end the process.
func TestSharedLibrary(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Fatal("a C compiler is needed, as it is to build Shoal")
	}
	file := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", file, "testdata/nvml.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := newNVML(nvml.New(nvml.WithLibraryPath(file)), sysfs)
	inv := Discover(Options{Manager: m, Root: machine, Environment: environ(nil)})
	if got, want := ids(inv.GPUs), []string{"GPU-12345678-1111-2222-3333-444444444444", "GPU-02345678-1111-2222-3333-444444444444"}; !slices.Equal(got, want) {
		t.Fatalf("GPUs %v (%s), want %v", got, inv.NoGPU, want)
	}
	if d := inv.GPUs[0]; d.Name != "NVIDIA L4" || d.GPU.PCI.String() != "0000:65:00.0" || d.GPU.ComputeMode != ModeExclusiveProcess ||
		d.GPU.MIGEnabled || d.Unusable != "" || inv.Driver != (Driver{"525.147.05", "12.525.147.05", "12.0"}) {
		t.Errorf("device %+v, %+v, driver %+v", d, d.GPU, inv.Driver)
	}
	first, second := inv.GPUs[0].ID, inv.GPUs[1].ID
	want := Reading{
		Utilization: Known(0.42), MemoryUtilization: Known(0.07), MemoryUsed: Known(uint64(2 << 30)), MemoryFree: Known(uint64(22 << 30)),
		Power: Known(43.21), PowerLimit: Known(72), Energy: Known(123.456), Temperature: Known(55), SMClock: Known(1501), MemoryClock: Known(1502),
		Throttle: 4, PCIeGeneration: Known(1), PCIeWidth: Known(16),
	}
	if r, err := m.Read(first); err != nil || r != want {
		t.Errorf("reading %+v, %v\nwant    %+v", r, err, want)
	}
	if e, ok, err := m.Wait(0); !ok || err != nil || e != (Event{ID: first, Kind: EventXid, Xid: 79, GPUInstance: -1}) {
		t.Errorf("event %+v, %v, %v", e, ok, err)
	}
	if _, ok, err := m.Wait(0); ok || err != nil {
		t.Errorf("a second event: %v, %v", ok, err)
	}
	if _, err := m.Read(first); !errors.Is(err, ErrLost) {
		t.Errorf("the lost GPU: %v", err)
	}
	if _, err := m.Read(second); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	if err := m.Reopen(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Read(first); err != nil {
		t.Errorf("after its return: %v", err)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if inv := Discover(Options{Manager: newNVML(nvml.New(nvml.WithLibraryPath(file+".missing")), sysfs), Root: machine}); inv.NoGPU == "" {
		t.Errorf("a library that is missing: %+v", inv)
	}
}
