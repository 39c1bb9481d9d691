package devices

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Selection is the devices that a server uses, in the order of --devices.
type Selection struct {
	Targets []Target
	inv     *Inventory
}

// Target is a device with the name that TensorFlow has for it in this process, after Prepare was called.
type Target struct {
	*Device
	TensorFlowName string // /device:GPU:0
}

// Select reads the value of --devices: auto (the GPUs that can be used, otherwise the CPU), cpu, gpu (all), or a list of devices
// such as gpu:0,2 or cpu:1. The list can also have UUIDs (or unambiguous prefixes of them) and PCI addresses. Numbers are those
// that "shoal devices" prints. The error lists every fault.
func (inv *Inventory) Select(spec string) (*Selection, error) {
	var chosen []*Device
	var bad faults
	kind := Kind("") // of the numbers that follow: gpu:0,2
	for item := range strings.SplitSeq(spec, ",") {
		item = strings.TrimSpace(item)
		found, next, err := inv.find(item, kind)
		kind = next
		bad.take("", err)
		for _, d := range found {
			if slices.Contains(chosen, d) {
				bad.addf("%q is named twice: several instances on one device are a matter of count", d)
				continue
			}
			chosen = append(chosen, d)
		}
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	return newSelection(inv, chosen), nil
}

func newSelection(inv *Inventory, chosen []*Device) *Selection {
	s := &Selection{inv: inv}
	gpus := 0
	for _, d := range chosen {
		t := Target{d, fmt.Sprintf("/device:CPU:%d", d.Index)}
		if d.Kind == GPU {
			t.TensorFlowName = fmt.Sprintf("/device:GPU:%d", gpus)
			gpus++
		}
		s.Targets = append(s.Targets, t)
	}
	return s
}

// find returns the devices that one word of a list names. kind is the kind of a number without one, and next that of a number
// after this word.
func (inv *Inventory) find(word string, kind Kind) (found []*Device, next Kind, err error) {
	name, number, hasNumber := strings.Cut(strings.ToLower(word), ":")
	if _, err := strconv.Atoi(word); err == nil && kind != "" {
		name, number, hasNumber = string(kind), word, true
	}
	switch {
	case (name == "cpu" || name == "gpu") && hasNumber:
		found, err = inv.numbered(Kind(name), number)
		return found, Kind(name), err
	case word == "":
		return nil, "", faultf("an empty word: write auto, cpu, gpu, gpu:0,2 or UUIDs")
	case name == "cpu":
		return inv.CPUs, "", nil
	case name == "gpu":
		if found = inv.usable(); len(found) == 0 {
			err = inv.noGPU()
		}
		return found, "", err
	case name == "auto":
		if found = inv.usable(); len(found) == 0 {
			found = inv.CPUs
		}
		return found, "", nil
	}
	found, err = inv.identified(word)
	return found, "", err
}

// noGPU returns the reason why there is no GPU to use.
func (inv *Inventory) noGPU() error {
	if len(inv.GPUs) == 0 {
		return faultf("there is no GPU: %s", inv.NoGPU)
	}
	var bad faults
	for _, d := range inv.GPUs {
		bad.addf("%v (%s) cannot be used: %s", d, d.Name, d.Unusable)
	}
	return bad.err()
}

// numbered finds a device by kind and number.
func (inv *Inventory) numbered(kind Kind, number string) ([]*Device, error) {
	list := inv.CPUs
	if kind == GPU {
		list = inv.GPUs
	}
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 0:
		return nil, faultf("%q is no number of a device: write %s:0", number, kind)
	case kind == GPU && len(list) == 0:
		return nil, faultf("there is no gpu:%d: %s", n, inv.NoGPU)
	case n >= len(list) && len(list) == 1:
		return nil, faultf("there is no %s:%d: %[1]s:0 is the only one", kind, n)
	case n >= len(list):
		return nil, faultf("there is no %s:%d: they are %[1]s:0 to %[1]s:%[3]d", kind, n, len(list)-1)
	}
	return one(list[n])
}

// one checks a device that is named: it is an error if the device cannot be used.
func one(d *Device) ([]*Device, error) {
	if d.Unusable != "" {
		return nil, faultf("%v (%s) cannot be used: %s", d, d.Name, d.Unusable)
	}
	return []*Device{d}, nil
}

// identified finds a GPU by UUID or PCI address. If the GPU exists and is hidden, the error gives the reason.
func (inv *Inventory) identified(word string) ([]*Device, error) {
	var found []*Device
	if pci, ok := parsePCI(word); ok {
		found = slices.DeleteFunc(slices.Clone(inv.GPUs), func(d *Device) bool { return d.GPU.PCI != pci })
	} else if found = byUUID(inv.GPUs, word); len(found) > 1 {
		return nil, faultf("%q is the beginning of %d UUIDs: write more of it", word, len(found))
	}
	if len(found) == 1 {
		return one(found[0])
	}
	for _, h := range inv.Hidden {
		if pci, ok := parsePCI(word); ok && h.Device.GPU.PCI == pci || len(byUUID([]*Device{h.Device}, word)) == 1 {
			return nil, faultf("%s is hidden from this process: %s", h.Device.ID, h.Why)
		}
	}
	if upper := strings.ToUpper(word); strings.HasPrefix(upper, "GPU-") || strings.HasPrefix(upper, "MIG-") {
		return nil, faultf("there is no GPU %s: shoal devices lists what there is", word)
	}
	return nil, faultf("%q names no device: write auto, cpu, gpu, gpu:0,2 or UUIDs", word)
}

// GPUs lists the GPUs among the targets, in TensorFlow's order.
func (s *Selection) GPUs() (list []*Device) {
	for _, t := range s.Targets {
		if t.Kind == GPU {
			list = append(list, t.Device)
		}
	}
	return list
}

// Variables returns the environment variables with which TensorFlow numbers the GPUs as Targets does and does not use others. It
// would take memory of every GPU that it sees. A process that runs TensorFlow for this selection needs these variables.
func (s *Selection) Variables() map[string]string {
	ids := []string{"-1"} // no GPU
	if gpus := s.GPUs(); len(gpus) > 0 {
		ids = ids[:0]
		for _, d := range gpus {
			ids = append(ids, d.ID)
		}
	}
	return map[string]string{
		"CUDA_DEVICE_ORDER":    "PCI_BUS_ID",
		"CUDA_VISIBLE_DEVICES": strings.Join(ids, ","),
		// If GPUs differ, TensorFlow skips those with few multiprocessors and does not count them.
		"TF_MIN_GPU_MULTIPROCESSOR_COUNT": "1",
	}
}

// Prepare sets the variables in this process. Call it before TensorFlow makes its first session: CUDA reads them then, once.
func (s *Selection) Prepare() error {
	for name, value := range s.Variables() {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}
