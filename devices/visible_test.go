package devices

import (
	"slices"
	"strings"
	"testing"
)

// seen is the first figure of each visible UUID: NVML's index, where PCI order is 3, 2, 1, 0; a MIG instance is two figures.
func seen(inv *Inventory) string {
	var words []string
	for i, d := range inv.GPUs {
		if d.Index != i {
			words = append(words, "misnumbered")
		}
		_, digits, _ := strings.Cut(d.ID, "-")
		words = append(words, strings.TrimRight(digits[:2], "0")+strings.Repeat("0", 2-len(strings.TrimRight(digits[:2], "0"))))
	}
	return strings.Join(words, " ")
}

func TestCUDAVisibleDevices(t *testing.T) {
	const id = "0000000-aaaa-4bbb-8ccc-dddddddddddd"
	for list, want := range map[string]string{
		"0":                               "30",
		"2,0":                             "10 30",
		" 1 , 3 ":                         "20 00",
		"0,2,-1,1":                        "30 10",
		"0,9,1":                           "30", // ends at the first that is invalid
		"9,0":                             "",
		"":                                "",
		"-1":                              "",
		"NoDevFiles":                      "",
		"1,1":                             "20",
		"GPU-1" + id:                      "10",
		"GPU-1,GPU-3":                     "10 30", // beginnings
		"gpu-2" + strings.ToUpper(id):     "20",
		"GPU-,0":                          "", // ambiguous
		"GPU-0" + id + ",2,GPU-7,1":       "00 10",
		"1" + id:                          "",
		"3,GPU-3" + id + ",MIG-GPU-3/0/0": "00 30",
	} {
		inv, _ := discover(t, newBox(4), map[string]string{"CUDA_VISIBLE_DEVICES": list})
		if got := seen(inv); got != want {
			t.Errorf("CUDA_VISIBLE_DEVICES=%s shows %q, want %q", list, got, want)
		}
		if len(inv.GPUs)+len(inv.Hidden) != 4 {
			t.Errorf("CUDA_VISIBLE_DEVICES=%s: %d shown and %d hidden of 4", list, len(inv.GPUs), len(inv.Hidden))
		}
		if want == "" && !strings.Contains(inv.NoGPU, "not in CUDA_VISIBLE_DEVICES="+list) {
			t.Errorf("CUDA_VISIBLE_DEVICES=%s: no GPU because %q", list, inv.NoGPU)
		}
	}
	inv, _ := discover(t, newBox(2), map[string]string{"CUDA_VISIBLE_DEVICES": "1,7", "CUDA_DEVICE_ORDER": "FASTEST_FIRST"})
	if len(inv.Notes) != 2 || !strings.Contains(inv.Notes[0], "FASTEST_FIRST") || !strings.Contains(inv.Notes[1], `"7"`) {
		t.Errorf("notes %q", inv.Notes)
	}
}

func TestNVIDIAVisibleDevices(t *testing.T) {
	const id = "0000000-aaaa-4bbb-8ccc-dddddddddddd"
	for list, want := range map[string]string{
		"all":               "30 20 10 00",
		"":                  "30 20 10 00",
		"void":              "30 20 10 00", // given in another way
		"none":              "",
		"1":                 "20", // the runtime has not applied it: four are there
		"3,1":               "20 00",
		"4,5,6,7":           "30 20 10 00", // it has: the numbers are the host's
		"GPU-1" + id:        "10",
		"GPU-1" + id + ",0": "30 10",
		"GPU-7,2":           "10",
	} {
		inv, _ := discover(t, newBox(4), map[string]string{"NVIDIA_VISIBLE_DEVICES": list})
		if got := seen(inv); got != want {
			t.Errorf("NVIDIA_VISIBLE_DEVICES=%s shows %q, want %q", list, got, want)
		}
	}
	inv, _ := discover(t, newBox(4), map[string]string{"NVIDIA_VISIBLE_DEVICES": "1,2", "CUDA_VISIBLE_DEVICES": "1"})
	if got := seen(inv); got != "10" {
		t.Errorf("CUDA's numbers count what the container has: %q", got)
	}
}

func TestMIG(t *testing.T) {
	const tail = "000000-eeee-5fff-8000-111111111111"
	for _, c := range []struct{ cuda, container, want string }{
		{"unset", "", "13"},         // the first instance, and nothing else
		{"MIG-15" + tail, "", "15"}, // by UUID
		{"MIG-15", "", "15"},        // by its beginning
		{"MIG-1", "", ""},           // ambiguous
		{"MIG-GPU-10000000-aaaa-4bbb-8ccc-dddddddddddd/5/0", "", "15"}, // by its older name
		{"1", "", "13"},   // a divided GPU stands for its first instance
		{"0,1", "", "13"}, // an instance excludes whole GPUs
		{"0", "", "20"},
		{"unset", "1:3", "15"}, // NVML's number 3 is the second instance
		{"unset", "MIG-15" + tail, "15"},
		{"unset", "0", "20"},
	} {
		b := newBox(3)
		b.divide(1, 3, 5)
		b.divide(0) // enabled, and without instances
		vars := map[string]string{"NVIDIA_VISIBLE_DEVICES": c.container}
		if c.cuda != "unset" {
			vars["CUDA_VISIBLE_DEVICES"] = c.cuda
		}
		inv, m := discover(t, b, vars)
		if got := seen(inv); got != c.want {
			t.Errorf("CUDA %s, container %q: shows %q, want %q", c.cuda, c.container, got, c.want)
		}
		if c.want != "13" {
			continue
		}
		d := inv.GPUs[0]
		if *d.GPU.MIG != (MIG{"GPU-10000000-aaaa-4bbb-8ccc-dddddddddddd", 1, 3, 0}) || d.MemoryBytes != 10<<30 || !strings.HasSuffix(d.Name, "MIG 1g.10gb") {
			t.Errorf("instance %+v, %+v", d, d.GPU.MIG)
		}
		r, err := m.Read(d.ID)
		if _, known := r.Utilization.Get(); err != nil || known || r.MemoryFree.Or(0) != 9<<30 || r.Temperature.Or(0) != 64 {
			t.Errorf("reading of an instance %+v, %v", r, err)
		}
		if !slices.ContainsFunc(inv.Hidden, func(h Hidden) bool { return strings.Contains(h.Why, "nvidia-smi mig") }) {
			t.Errorf("the GPU without instances is not told of: %+v", inv.Hidden)
		}
	}
}

func TestEventsConcernInstances(t *testing.T) {
	part := &Device{ID: "MIG-a", GPU: &GPUFacts{MIG: &MIG{Parent: "GPU-a", GPUInstance: 3}}}
	whole := &Device{ID: "GPU-b", GPU: &GPUFacts{}}
	for _, c := range []struct {
		e           Event
		part, whole bool
	}{
		{Event{ID: "GPU-a", GPUInstance: 3}, true, false},
		{Event{ID: "GPU-a", GPUInstance: 4}, false, false},
		{Event{ID: "GPU-a", GPUInstance: -1}, true, false},
		{Event{ID: "GPU-b", GPUInstance: -1}, false, true},
		{Event{GPUInstance: -1}, true, true},
	} {
		if gotPart, gotWhole := c.e.concerns(part), c.e.concerns(whole); gotPart != c.part || gotWhole != c.whole {
			t.Errorf("%+v concerns %v, %v", c.e, gotPart, gotWhole)
		}
	}
	if (Event{}).concerns(&Device{Kind: CPU}) {
		t.Error("an event concerns the CPU")
	}
}
