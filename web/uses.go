package web

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"shoal/serving"
)

// useState is a version on a device.
type useState struct {
	Model     string `json:"model"`
	Version   int64  `json:"version"`
	Instances int    `json:"instances"`
	Ops       int    `json:"ops,omitempty"`       // found on the device after loading; 0: not known
	Elsewhere string `json:"elsewhere,omitempty"` // those that the device has no kernel for: "StringJoin, LookupTableFindV2 ×2"
}

// uses returns the versions on each device, by the device's ID.
func (p *Page) uses(models []serving.ModelStatus) map[string][]useState {
	all := make(map[string][]useState)
	for _, m := range models {
		for _, v := range m.Versions {
			if v.State != serving.Available {
				continue
			}
			for _, u := range p.devicesOf(m.Name, v.Version) {
				all[u.ID] = append(all[u.ID], useState{m.Name, v.Version, u.Instances, u.Ops, counted(u.Elsewhere)})
			}
		}
	}
	return all
}

// devicesOf returns how a version uses devices. It pins the version during the call.
func (p *Page) devicesOf(model string, version int64) []serving.DeviceUse {
	h, err := p.handle(serving.ModelSpec{Model: model, Version: &version})
	if err != nil {
		return nil // it was unloaded in the meantime
	}
	defer h.Release()
	return h.Devices()
}

// counted lists names, with their counts if these are above one.
func counted(counts map[string]int) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n > 1 {
			name = fmt.Sprintf("%s ×%d", name, n)
		}
		list = append(list, name)
	}
	return strings.Join(list, ", ")
}
