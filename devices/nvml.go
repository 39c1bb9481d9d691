package devices

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// NVML manages the GPUs through NVIDIA's management library. The library comes with the driver and is loaded by Open. Callers get
// Go errors instead of NVML's return codes.
type NVML struct {
	lib     nvml.Interface
	root    fs.FS // "/", for facts from the kernel
	open    bool
	handles map[string]handle // by UUID, of GPUs and MIG instances
	events  nvml.EventSet     // nil: not made yet
	deaf    bool              // no GPU reports events
}

// handle is NVML's handle of a device. Reopen makes it invalid.
type handle struct {
	nvml.Device
	whole nvml.Device // the GPU of a MIG instance; otherwise the same device
}

// NewNVML makes the real manager.
func NewNVML() *NVML { return newNVML(nvml.New(), os.DirFS("/")) }

func newNVML(lib nvml.Interface, root fs.FS) *NVML { return &NVML{lib: lib, root: root} }

// Open loads the library and finds the GPUs.
func (m *NVML) Open() error {
	if ret := m.lib.Init(); ret != nvml.SUCCESS {
		return &AbsentError{absence(ret)}
	}
	m.open = true
	if n, ret := m.lib.DeviceGetCount(); ret != nvml.SUCCESS || n == 0 {
		_ = m.Close()
		return &AbsentError{absence(cmp.Or(ret, nvml.ERROR_GPU_NOT_FOUND))}
	}
	return nil
}

// absence describes a failed start for users.
func absence(ret nvml.Return) string {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return "libnvidia-ml.so.1 is not found: no NVIDIA driver is installed, or the container was started without its GPUs (docker run --gpus all)"
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return "the NVIDIA driver is not loaded"
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return "the NVIDIA library and the loaded driver are of different versions: reload the driver or restart the machine"
	case nvml.ERROR_NO_PERMISSION:
		return "no permission to talk to the NVIDIA driver: see the access rights of /dev/nvidiactl"
	case nvml.ERROR_GPU_NOT_FOUND:
		return "the NVIDIA driver shows no GPU"
	}
	return fmt.Sprintf("the NVIDIA library does not start: %v", ret)
}

// nvmlError converts a return code to a Go error.
func nvmlError(what string, ret nvml.Return) error {
	switch ret {
	case nvml.SUCCESS:
		return nil
	case nvml.ERROR_GPU_IS_LOST, nvml.ERROR_RESET_REQUIRED, nvml.ERROR_GPU_NOT_FOUND, nvml.ERROR_NOT_FOUND,
		nvml.ERROR_UNINITIALIZED, nvml.ERROR_DRIVER_NOT_LOADED:
		return fmt.Errorf("%s: %v: %w", what, ret, ErrLost)
	case nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_FUNCTION_NOT_FOUND, nvml.ERROR_NO_PERMISSION:
		return fmt.Errorf("%s: %v: %w", what, ret, ErrUnsupported)
	}
	return fmt.Errorf("%s: %w", what, ret)
}

// Driver asks the library. Fields that it does not report stay empty.
func (m *NVML) Driver() (d Driver) {
	if !m.open {
		return d
	}
	d.Version, _ = m.lib.SystemGetDriverVersion()
	d.NVML, _ = m.lib.SystemGetNVMLVersion()
	if v, ret := m.lib.SystemGetCudaDriverVersion(); ret == nvml.SUCCESS {
		d.CUDA = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
	}
	return d
}

// GPUs lists the GPUs and MIG instances, and keeps their handles.
func (m *NVML) GPUs() ([]*Device, error) {
	n, ret := m.lib.DeviceGetCount()
	if err := nvmlError("the number of GPUs", ret); err != nil {
		return nil, err
	}
	m.handles = make(map[string]handle)
	var found [][]*Device // a GPU and its instances
	for i := range n {
		h, ret := m.lib.DeviceGetHandleByIndex(i)
		if err := nvmlError("GPU", ret); err != nil {
			found = append(found, []*Device{mute(i, err)})
			continue
		}
		d, err := m.describe(h)
		if err != nil {
			found = append(found, []*Device{mute(i, err)})
			continue
		}
		m.handles[d.ID] = handle{h, h}
		found = append(found, append([]*Device{d}, m.instances(d, h)...))
	}
	slices.SortStableFunc(found, func(a, b []*Device) int { return a[0].GPU.PCI.compare(b[0].GPU.PCI) })
	return slices.Concat(found...), nil
}

// mute describes a GPU of which NVML reports only that it exists.
func mute(index int, err error) *Device {
	return &Device{
		Kind: GPU, ID: fmt.Sprintf("nvml:%d", index), Name: "unknown GPU", Unusable: err.Error(),
		GPU: &GPUFacts{PCI: PCI{Domain: ^uint32(0), Device: uint32(index)}, ComputeMode: ModeUnknown},
	}
}

func (p PCI) compare(q PCI) int {
	return cmp.Or(cmp.Compare(p.Domain, q.Domain), cmp.Compare(p.Bus, q.Bus), cmp.Compare(p.Device, q.Device))
}

// near returns the NUMA node and the processors near a PCI device, from the kernel's directory of the device. It returns nothing
// if there is no such directory.
func (m *NVML) near(p PCI) (nodes []int, cpus CPUSet) {
	dir := path.Join("sys/bus/pci/devices", p.String())
	if text, err := fs.ReadFile(m.root, path.Join(dir, "numa_node")); err == nil {
		if node, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && node >= 0 {
			nodes = []int{node}
		}
	}
	if text, err := fs.ReadFile(m.root, path.Join(dir, "local_cpulist")); err == nil {
		cpus = parseCPUList(string(text))
	}
	return nodes, cpus
}

// Reopen closes and opens the library. Handles are then new, and events are registered again.
func (m *NVML) Reopen() error {
	if err := m.Close(); err != nil {
		return err
	}
	if err := m.Open(); err != nil {
		return err
	}
	_, err := m.GPUs()
	return err
}

// Close closes the library. It may be called more than once.
func (m *NVML) Close() error {
	if !m.open {
		return nil
	}
	var errs error
	if m.events != nil {
		errs = nvmlError("free the event set", m.events.Free())
	}
	m.open, m.events, m.deaf, m.handles = false, nil, false, nil
	return errors.Join(errs, nvmlError("end the NVIDIA library", m.lib.Shutdown()))
}
