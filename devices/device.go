// Package devices finds the CPU and the GPUs, says which of them this process may use and under which name TensorFlow knows
// them, places a model's instances on them, and watches them: live readings, loss and return.
//
// A GPU is known by its UUID. TensorFlow counts the GPUs that CUDA shows it, NVML counts all there are and knows nothing of
// CUDA_VISIBLE_DEVICES, so that a position in one list means nothing in the other; everything here is matched by UUID.
//
// The way through the package: Discover makes an Inventory of what is there, Inventory.Select reads --devices, Selection.Prepare
// tells CUDA before TensorFlow first asks it, Selection.Place gives the devices of a model, and a Watcher keeps an eye on them. A
// running server has all of that as a Fleet.
package devices

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is what a device is.
type Kind string

// The kinds of devices.
const (
	CPU Kind = "cpu"
	GPU Kind = "gpu"
)

// Device is what is known of one device and does not change while the process lives. It is read-only once made.
type Device struct {
	Kind Kind `json:"kind"`
	// Index is the number by which users name the device (gpu:0): of GPUs, its place among those visible to this process.
	Index int `json:"index"`
	// ID never changes and is unique: a GPU's or MIG instance's UUID; cpu:0 for the CPU.
	ID   string `json:"id"`
	Name string `json:"name"`

	MemoryBytes uint64    `json:"memory_bytes"`
	Cores       float64   `json:"cores,omitzero"`     // CPU: what the affinity mask and the cgroup's quota leave this process
	NUMANodes   []int     `json:"numa_nodes"`         // empty: unknown, or the machine has none
	CPUs        CPUSet    `json:"cpus,omitempty"`     // the processors that it is (CPU) or that are near it (GPU)
	GPU         *GPUFacts `json:"gpu,omitempty"`      // nil: not a GPU
	Unusable    string    `json:"unusable,omitempty"` // why TensorFlow could not use it; empty: it can
}

// String is the device's name as --devices takes it, "gpu:0".
func (d *Device) String() string { return fmt.Sprintf("%s:%d", d.Kind, d.Index) }

// GPUFacts is what NVML tells of a GPU, or of a MIG instance, which CUDA treats as a GPU of its own.
type GPUFacts struct {
	PCI               PCI         `json:"pci_bus_id"`
	ComputeCapability Capability  `json:"compute_capability"`
	ComputeMode       ComputeMode `json:"compute_mode"`
	PCIeGeneration    int         `json:"pcie_generation,omitzero"` // the most that GPU and slot can do; 0: unknown
	PCIeWidth         int         `json:"pcie_width,omitzero"`
	MIGEnabled        bool        `json:"mig_enabled"`   // the GPU is divided and usable only through its instances
	MIG               *MIG        `json:"mig,omitempty"` // nil: a whole GPU
}

// MIG places a MIG instance in its GPU.
type MIG struct {
	Parent          string `json:"parent"` // UUID of the GPU
	Index           int    `json:"index"`  // NVML's, as in NVIDIA_VISIBLE_DEVICES=0:1
	GPUInstance     int    `json:"gpu_instance"`
	ComputeInstance int    `json:"compute_instance"`
}

// Capability is a CUDA compute capability.
type Capability struct{ Major, Minor int }

func (c Capability) String() string { return fmt.Sprintf("%d.%d", c.Major, c.Minor) }

// MarshalText makes JSON say "9.0".
func (c Capability) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Less orders capabilities.
func (c Capability) Less(other Capability) bool {
	return c.Major < other.Major || c.Major == other.Major && c.Minor < other.Minor
}

// PCI is an address on the PCI bus.
type PCI struct{ Domain, Bus, Device uint32 }

// String is the form of the kernel, CUDA and TensorFlow: 0000:65:00.0. NVML writes more zeros.
func (p PCI) String() string { return fmt.Sprintf("%04x:%02x:%02x.0", p.Domain, p.Bus, p.Device) }

// MarshalText makes JSON say "0000:65:00.0".
func (p PCI) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// parsePCI reads an address in any of the usual forms: 65:00.0, 0000:65:00.0, 00000000:65:00.0.
func parsePCI(text string) (PCI, bool) {
	text, function, found := strings.Cut(text, ".")
	parts := strings.Split(text, ":")
	if !found || function != "0" || len(parts) < 2 || len(parts) > 3 {
		return PCI{}, false
	}
	var p PCI
	fields := []*uint32{&p.Domain, &p.Bus, &p.Device}[3-len(parts):]
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 16, 32)
		if err != nil {
			return PCI{}, false
		}
		*fields[i] = uint32(n)
	}
	return p, true
}

// ComputeMode says who may compute on a GPU; an administrator sets it (nvidia-smi -c).
type ComputeMode string

// The compute modes.
const (
	ModeDefault          ComputeMode = "default"
	ModeExclusiveProcess ComputeMode = "exclusive_process"
	ModeProhibited       ComputeMode = "prohibited"
	ModeUnknown          ComputeMode = "unknown"
)
