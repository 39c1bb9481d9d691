package devices

import (
	"fmt"
	"slices"
	"strings"
)

// Placement is how many instances of a model run on a device.
type Placement struct {
	Target
	Count int // 0: to be chosen for the device
}

// Place returns the devices of a model with these groups, each device once. Without groups it returns every device of the
// selection. The error lists every fault: devices that do not exist, cannot be used, or are not among those that the server uses.
func (s *Selection) Place(groups []Group) ([]Placement, error) {
	if len(groups) == 0 {
		groups = []Group{{Kind: "KIND_AUTO"}}
	}
	var placed []Placement
	var bad faults
	for i, g := range groups {
		targets, err := s.targets(g)
		bad.take(fmt.Sprintf("instance_group %d: ", i+1), err)
		for _, t := range targets {
			at := slices.IndexFunc(placed, func(p Placement) bool { return p.Device == t.Device })
			if at < 0 {
				placed = append(placed, Placement{t, g.Count})
			} else {
				placed[at].Count += g.Count
			}
		}
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	return placed, nil
}

// targets finds the devices of one group among those of the selection.
func (s *Selection) targets(g Group) ([]Target, error) {
	switch {
	case len(g.Devices) > 0:
		return s.within(g.Devices)
	case len(g.GPUs) > 0:
		words := make([]string, len(g.GPUs))
		for i, n := range g.GPUs {
			words[i] = fmt.Sprintf("gpu:%d", n)
		}
		return s.within(words)
	case g.Kind == "KIND_GPU":
		return s.only(GPU)
	case g.Kind == "KIND_CPU":
		return s.only(CPU)
	}
	return s.Targets, nil
}

// only returns the targets of a kind. The CPU is always among them, so that a model can be kept off the GPUs whatever --devices
// says.
func (s *Selection) only(kind Kind) ([]Target, error) {
	list := slices.DeleteFunc(slices.Clone(s.Targets), func(t Target) bool { return t.Kind != kind })
	switch {
	case len(list) > 0:
		return list, nil
	case kind == CPU:
		return newSelection(s.inv, s.inv.CPUs).Targets, nil
	case len(s.inv.usable()) == 0:
		return nil, s.inv.noGPU()
	}
	return nil, faultf("--devices leaves no GPU to the server")
}

// within finds words in the form of --devices among the targets. auto and gpu mean those of the selection.
func (s *Selection) within(words []string) (list []Target, err error) {
	var bad faults
	var rest []string
	for _, word := range words {
		switch word = strings.ToLower(strings.TrimSpace(word)); word {
		case "auto":
			list = append(list, s.Targets...)
		case "gpu", "cpu":
			found, err := s.only(Kind(word))
			bad.take("", err)
			list = append(list, found...)
		default:
			rest = append(rest, word)
		}
	}
	asked := &Selection{}
	if len(rest) > 0 {
		if asked, err = s.inv.Select(strings.Join(rest, ",")); err != nil {
			bad.take("", err)
			return nil, bad.err()
		}
	}
	for _, t := range asked.Targets {
		at := slices.IndexFunc(s.Targets, func(own Target) bool { return own.Device == t.Device })
		switch {
		case at >= 0:
			list = append(list, s.Targets[at])
		case t.Kind == CPU:
			list = append(list, t)
		default:
			bad.addf("%v is not among the devices that --devices gives the server", t.Device)
		}
	}
	return list, bad.err()
}
