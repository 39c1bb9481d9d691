package devices

import (
	"fmt"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// describe asks NVML for the description of a GPU. It fails if the GPU has no identity; everything else may be unknown.
func (m *NVML) describe(h nvml.Device) (*Device, error) {
	d := &Device{Kind: GPU, GPU: &GPUFacts{}}
	var ret nvml.Return
	if d.ID, ret = h.GetUUID(); ret != nvml.SUCCESS {
		return nil, nvmlError("UUID", ret)
	}
	if d.Name, ret = h.GetName(); ret != nvml.SUCCESS {
		return nil, nvmlError("name of "+d.ID, ret)
	}
	pci, ret := h.GetPciInfo()
	if ret != nvml.SUCCESS {
		return nil, nvmlError("PCI address of "+d.ID, ret)
	}
	d.GPU.PCI = PCI{pci.Domain, pci.Bus, pci.Device}
	d.NUMANodes, d.CPUs = m.near(d.GPU.PCI)
	if memory, ret := h.GetMemoryInfo(); ret == nvml.SUCCESS {
		d.MemoryBytes = memory.Total
	}
	if major, minor, ret := h.GetCudaComputeCapability(); ret == nvml.SUCCESS {
		d.GPU.ComputeCapability = Capability{major, minor}
	}
	d.GPU.ComputeMode = ModeUnknown
	if mode, ret := h.GetComputeMode(); ret == nvml.SUCCESS {
		d.GPU.ComputeMode = computeMode(mode)
	}
	if n, ret := h.GetMaxPcieLinkGeneration(); ret == nvml.SUCCESS {
		d.GPU.PCIeGeneration = n
	}
	if n, ret := h.GetMaxPcieLinkWidth(); ret == nvml.SUCCESS {
		d.GPU.PCIeWidth = n
	}
	if current, _, ret := h.GetMigMode(); ret == nvml.SUCCESS {
		d.GPU.MIGEnabled = current == nvml.DEVICE_MIG_ENABLE
	}
	return d, nil
}

func computeMode(mode nvml.ComputeMode) ComputeMode {
	switch mode {
	case nvml.COMPUTEMODE_DEFAULT:
		return ModeDefault
	case nvml.COMPUTEMODE_PROHIBITED:
		return ModeProhibited
	case nvml.COMPUTEMODE_EXCLUSIVE_PROCESS, nvml.COMPUTEMODE_EXCLUSIVE_THREAD:
		return ModeExclusiveProcess
	}
	return ModeUnknown
}

// instances lists the MIG instances of a divided GPU and keeps their handles. Their numbers may have gaps.
func (m *NVML) instances(gpu *Device, h nvml.Device) (list []*Device) {
	if !gpu.GPU.MIGEnabled {
		return nil
	}
	n, ret := h.GetMaxMigDeviceCount()
	if ret != nvml.SUCCESS {
		return nil
	}
	for i := range n {
		part, ret := h.GetMigDeviceHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue
		}
		d, err := describePart(gpu, part, i)
		if err != nil {
			continue // it is being divided again; the next discovery sees the new parts
		}
		m.handles[d.ID] = handle{part, h}
		list = append(list, d)
	}
	return list
}

// describePart describes a MIG instance, which shares most properties with its GPU.
func describePart(gpu *Device, part nvml.Device, index int) (*Device, error) {
	facts := *gpu.GPU
	facts.MIG = &MIG{Parent: gpu.ID, Index: index}
	d := &Device{Kind: GPU, GPU: &facts, NUMANodes: gpu.NUMANodes, CPUs: gpu.CPUs}
	var ret nvml.Return
	if d.ID, ret = part.GetUUID(); ret != nvml.SUCCESS {
		return nil, nvmlError("UUID of a MIG instance", ret)
	}
	if d.Name, ret = part.GetName(); ret != nvml.SUCCESS {
		d.Name = fmt.Sprintf("%s MIG %d", gpu.Name, index)
	}
	if facts.MIG.GPUInstance, ret = part.GetGpuInstanceId(); ret != nvml.SUCCESS {
		return nil, nvmlError("GPU instance of "+d.ID, ret)
	}
	if facts.MIG.ComputeInstance, ret = part.GetComputeInstanceId(); ret != nvml.SUCCESS {
		return nil, nvmlError("compute instance of "+d.ID, ret)
	}
	if memory, ret := part.GetMemoryInfo(); ret == nvml.SUCCESS {
		d.MemoryBytes = memory.Total
	}
	return d, nil
}
