// Package devices finds the CPU and the GPUs. It determines which of them this process may use, and under which name TensorFlow
// knows them. It places a model's instances on them, and watches them: readings, loss and return.
//
// A GPU is identified by its UUID. TensorFlow numbers the GPUs that CUDA shows it. NVML numbers all GPUs and ignores
// CUDA_VISIBLE_DEVICES. So a number in one list means nothing in the other, and this package matches by UUID.
//
// Discover makes an Inventory of the machine. Inventory.Select reads --devices. Selection.Prepare sets CUDA's environment before
// TensorFlow first uses CUDA. Selection.Place chooses the devices of a model. A Watcher watches the devices. A Fleet is all of
// that in a running server.
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

// Device describes one device. The description does not change while the process lives; it is read only.
type Device struct {
	Kind Kind `json:"kind"`
	// Index is the number by which users name the device (gpu:0). GPUs are numbered among those visible to this process.
	Index int `json:"index"`
	// ID never changes and is unique: a GPU's or MIG instance's UUID; cpu:0 for the CPU.
	ID   string `json:"id"`
	Name string `json:"name"`

	MemoryBytes uint64    `json:"memory_bytes"`
	Cores       float64   `json:"cores,omitzero"`     // CPU: what the affinity mask and the cgroup's quota allow this process
	NUMANodes   []int     `json:"numa_nodes"`         // empty: unknown, or the machine has none
	CPUs        CPUSet    `json:"cpus,omitempty"`     // CPU: its processors; GPU: the processors near it
	GPU         *GPUFacts `json:"gpu,omitempty"`      // nil: not a GPU
	Unusable    string    `json:"unusable,omitempty"` // why TensorFlow could not use it; empty: it can
}

// String returns the device's name in the form of --devices, "gpu:0".
func (d *Device) String() string { return fmt.Sprintf("%s:%d", d.Kind, d.Index) }

// GPUFacts is what NVML reports about a GPU, or about a MIG instance, which CUDA treats as a GPU.
type GPUFacts struct {
	PCI               PCI         `json:"pci_bus_id"`
	ComputeCapability Capability  `json:"compute_capability"`
	ComputeMode       ComputeMode `json:"compute_mode"`
	PCIeGeneration    int         `json:"pcie_generation,omitzero"` // the highest of GPU and slot; 0: unknown
	PCIeWidth         int         `json:"pcie_width,omitzero"`
	MIGEnabled        bool        `json:"mig_enabled"`   // the GPU can be used through its MIG instances only
	MIG               *MIG        `json:"mig,omitempty"` // nil: a whole GPU
}

// MIG identifies a MIG instance of a GPU.
type MIG struct {
	Parent          string `json:"parent"` // UUID of the GPU
	Index           int    `json:"index"`  // NVML's, as in NVIDIA_VISIBLE_DEVICES=0:1
	GPUInstance     int    `json:"gpu_instance"`
	ComputeInstance int    `json:"compute_instance"`
}

// Capability is a CUDA compute capability.
type Capability struct{ Major, Minor int }

func (c Capability) String() string { return fmt.Sprintf("%d.%d", c.Major, c.Minor) }

// MarshalText returns the form "9.0".
func (c Capability) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Less reports whether c is lower than other.
func (c Capability) Less(other Capability) bool {
	return c.Major < other.Major || c.Major == other.Major && c.Minor < other.Minor
}

// PCI is an address on the PCI bus.
type PCI struct{ Domain, Bus, Device uint32 }

// String returns the form of the kernel, CUDA and TensorFlow: 0000:65:00.0. NVML writes more zeros.
func (p PCI) String() string { return fmt.Sprintf("%04x:%02x:%02x.0", p.Domain, p.Bus, p.Device) }

// MarshalText returns the form "0000:65:00.0".
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

// ComputeMode is who may compute on a GPU. An administrator sets it (nvidia-smi -c).
type ComputeMode string

// The compute modes.
const (
	ModeDefault          ComputeMode = "default"
	ModeExclusiveProcess ComputeMode = "exclusive_process"
	ModeProhibited       ComputeMode = "prohibited"
	ModeUnknown          ComputeMode = "unknown"
)
