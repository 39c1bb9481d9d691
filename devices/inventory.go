package devices

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
)

// Options say where to look. The zero value looks at this machine and process, and at no GPU.
type Options struct {
	Manager       Manager     // nil: no GPUs
	Environment   Environment // nil: the process's
	Root          fs.FS       // the machine's files; nil: "/"
	VirtualCPUs   int         // number of devices that the CPU is shown as; 0: one
	MinCapability Capability  // zero: DefaultMinCapability
}

// DefaultMinCapability is the lowest compute capability for which TensorFlow's GPU build has kernels. TensorFlow skips lower GPUs
// silently, and does not count them in its numbers.
var DefaultMinCapability = Capability{6, 0}

// Inventory is the devices that this process sees. It does not change.
type Inventory struct {
	GPUs   []*Device `json:"gpus"` // visible to this process, in the order in which CUDA would number them
	CPUs   []*Device `json:"cpus"`
	Hidden []Hidden  `json:"hidden,omitempty"`
	NoGPU  string    `json:"no_gpu,omitempty"` // why GPUs is empty
	Driver Driver    `json:"driver,omitzero"`
	Notes  []string  `json:"notes,omitempty"` // settings of the environment that do not have the effect that one may expect
}

// Discover opens the manager and finds the devices. A machine without GPUs is an ordinary case and no error: NoGPU says why there
// are none. The manager stays open; its owner closes it.
func Discover(o Options) *Inventory {
	if o.Manager == nil {
		o.Manager = Null{Reason: "GPUs were not looked for"}
	}
	if o.Environment == nil {
		o.Environment = os.LookupEnv
	}
	if o.Root == nil {
		o.Root = os.DirFS("/")
	}
	if o.MinCapability == (Capability{}) {
		o.MinCapability = DefaultMinCapability
	}
	inv := &Inventory{GPUs: []*Device{}, CPUs: cpus(o.Root, o.VirtualCPUs)}
	if err := o.Manager.Open(); err != nil {
		inv.NoGPU = err.Error()
		return inv
	}
	inv.Driver = o.Manager.Driver()
	all, err := o.Manager.GPUs()
	if err != nil {
		inv.NoGPU = err.Error()
		return inv
	}
	shown, hidden, notes := visible(all, o.Environment)
	inv.GPUs, inv.Hidden, inv.Notes = append(inv.GPUs, shown...), hidden, notes
	for i, d := range inv.GPUs {
		d.Index = i
		judge(d, o.MinCapability)
	}
	switch {
	case len(all) == 0:
		inv.NoGPU = "the driver shows no GPU"
	case len(inv.GPUs) == 0 && len(inv.Hidden) > 0:
		inv.NoGPU = fmt.Sprintf("the driver shows %d, hidden from this process: %s", len(inv.Hidden), inv.Hidden[0].Why)
	}
	return inv
}

// judge sets Unusable if TensorFlow could not use a GPU.
func judge(d *Device, least Capability) {
	switch {
	case d.Unusable != "":
	case d.GPU.ComputeMode == ModeProhibited:
		d.Unusable = fmt.Sprintf("its compute mode is prohibited: nvidia-smi -i %s -c DEFAULT allows computing", d.GPU.PCI)
	case d.GPU.ComputeCapability != (Capability{}) && d.GPU.ComputeCapability.Less(least):
		d.Unusable = fmt.Sprintf("its compute capability is %v, and TensorFlow has kernels from %v on", d.GPU.ComputeCapability, least)
	}
}

// All lists the GPUs and then the CPUs.
func (inv *Inventory) All() []*Device {
	return slices.Concat(inv.GPUs, inv.CPUs)
}

// Log logs what was found: a line per device, one that says why there is no GPU, and the notes as warnings. It is called once.
func (inv *Inventory) Log(log *slog.Logger) {
	for _, d := range inv.All() {
		attrs := []any{slog.String("device", d.String()), slog.String("name", d.Name), slog.String("memory", Bytes(d.MemoryBytes))}
		if d.GPU != nil {
			attrs = append(attrs, slog.String("id", d.ID), slog.String("pci", d.GPU.PCI.String()), slog.String("compute_capability", d.GPU.ComputeCapability.String()))
		} else {
			attrs = append(attrs, slog.Float64("cores", d.Cores))
		}
		if d.Unusable != "" {
			log.Warn("a device cannot be used", append(attrs, slog.String("why", d.Unusable))...)
			continue
		}
		log.Info("device found", attrs...)
	}
	if inv.NoGPU != "" {
		log.Info("no GPU", slog.String("why", inv.NoGPU))
	}
	for _, note := range inv.Notes {
		log.Warn(note)
	}
}

// usable lists the GPUs that TensorFlow can use.
func (inv *Inventory) usable() (list []*Device) {
	for _, d := range inv.GPUs {
		if d.Unusable == "" {
			list = append(list, d)
		}
	}
	return list
}
