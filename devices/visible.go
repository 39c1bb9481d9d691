package devices

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Environment looks up a variable, as os.LookupEnv does.
type Environment func(name string) (value string, set bool)

// Hidden is a GPU that exists and is not visible to this process.
type Hidden struct {
	Device *Device `json:"device"`
	Why    string  `json:"why"`
}

// visible returns the GPUs that CUDA would show to this process, in CUDA's order, of all that the driver shows in PCI order.
func visible(all []*Device, env Environment) (shown []*Device, hidden []Hidden, notes []string) {
	if order, set := env("CUDA_DEVICE_ORDER"); set && order != "PCI_BUS_ID" && len(all) > 0 {
		notes = append(notes, fmt.Sprintf("CUDA_DEVICE_ORDER=%s is replaced by PCI_BUS_ID: numbers of GPUs follow the PCI bus, as in nvidia-smi", order))
	}
	keep, why, note := forContainer(all, env)
	if note != "" {
		notes = append(notes, note)
	}
	shown, whyNot, note := forCUDA(keep, env)
	if note != "" {
		notes = append(notes, note)
	}
	for _, d := range all {
		switch {
		case slices.Contains(shown, d):
		case !slices.Contains(keep, d):
			hidden = append(hidden, Hidden{d, why})
		case d.GPU.MIGEnabled && d.GPU.MIG == nil:
			if !slices.ContainsFunc(all, func(p *Device) bool { return isPart(p, d) }) {
				hidden = append(hidden, Hidden{d, "MIG is enabled and the GPU has no instances: make some with nvidia-smi mig -cgi"})
			}
		case whyNot == "":
			hidden = append(hidden, Hidden{d, "CUDA shows a process a single MIG instance: name this one in CUDA_VISIBLE_DEVICES of a process of its own"})
		default:
			hidden = append(hidden, Hidden{d, whyNot})
		}
	}
	return shown, hidden, notes
}

// isPart reports whether d is a MIG instance of gpu.
func isPart(d, gpu *Device) bool { return d.GPU.MIG != nil && d.GPU.MIG.Parent == gpu.ID }

// forCUDA applies CUDA_VISIBLE_DEVICES: the GPUs that it names, in its order, up to the first entry that names none. If MIG
// instances are among them, CUDA shows the first instance and nothing else.
func forCUDA(all []*Device, env Environment) (shown []*Device, whyNot, note string) {
	list, set := env("CUDA_VISIBLE_DEVICES")
	if !set {
		return onlyInstance(slices.DeleteFunc(slices.Clone(all), divided)), "", ""
	}
	whyNot = fmt.Sprintf("not in CUDA_VISIBLE_DEVICES=%s", list)
	if strings.TrimSpace(list) == "" {
		return nil, whyNot, ""
	}
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		d := named(all, entry)
		if d == nil || slices.Contains(shown, d) {
			if entry != "-1" { // the usual end of a list
				note = fmt.Sprintf("CUDA_VISIBLE_DEVICES=%s ends at %q, which names no GPU, or one that was named before", list, entry)
			}
			break
		}
		shown = append(shown, d)
	}
	return onlyInstance(shown), whyNot, note
}

// divided reports whether a GPU is usable through its MIG instances only.
func divided(d *Device) bool { return d.GPU.MIGEnabled && d.GPU.MIG == nil }

func onlyInstance(list []*Device) []*Device {
	for _, d := range list {
		if d.GPU.MIG != nil {
			return []*Device{d}
		}
	}
	return list
}

// named finds what an entry of CUDA_VISIBLE_DEVICES names: a GPU's number on the PCI bus, its UUID or an unambiguous prefix of
// it, a MIG instance's UUID, or the older name MIG-GPU-…/GPU instance/compute instance. A divided GPU means its first instance.
func named(all []*Device, entry string) *Device {
	var found []*Device
	if i, err := strconv.Atoi(entry); err == nil {
		whole := slices.DeleteFunc(slices.Clone(all), func(d *Device) bool { return d.GPU.MIG != nil })
		if i < 0 || i >= len(whole) {
			return nil
		}
		found = whole[i : i+1]
	} else {
		found = byUUID(all, entry)
	}
	if len(found) != 1 {
		return nil
	}
	if divided(found[0]) {
		for _, d := range all {
			if isPart(d, found[0]) {
				return d
			}
		}
		return nil
	}
	return found[0]
}

// byUUID finds the devices whose UUID begins with text, in upper or lower case. For a full UUID it returns that device only.
func byUUID(all []*Device, text string) (found []*Device) {
	upper := strings.ToUpper(text)
	if !strings.HasPrefix(upper, "GPU-") && !strings.HasPrefix(upper, "MIG-") {
		return nil
	}
	for _, d := range all {
		if strings.HasPrefix(strings.ToUpper(d.ID), upper) || d.GPU.MIG != nil && strings.EqualFold(oldName(d.GPU.MIG), text) {
			found = append(found, d)
		}
	}
	return found
}

// oldName returns the name that drivers before R470 gave an instance.
func oldName(m *MIG) string {
	return fmt.Sprintf("MIG-%s/%d/%d", m.Parent, m.GPUInstance, m.ComputeInstance)
}

// forContainer applies NVIDIA_VISIBLE_DEVICES if the container runtime has not. Its numbers are the host's. If the driver shows
// as many GPUs as the variable names, they are those. The values void and "" mean that GPUs, if any, are given to the container
// in another way.
func forContainer(all []*Device, env Environment) (keep []*Device, why, note string) {
	list, _ := env("NVIDIA_VISIBLE_DEVICES")
	list = strings.TrimSpace(list)
	why = "not in NVIDIA_VISIBLE_DEVICES=" + list
	switch strings.ToLower(list) {
	case "", "void", "all":
		return all, why, ""
	case "none":
		return nil, why, ""
	}
	entries := strings.Split(list, ",")
	wholes := 0
	for _, d := range all {
		if d.GPU.MIG == nil {
			wholes++
		}
	}
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	if !slices.ContainsFunc(entries, func(e string) bool { return strings.ContainsAny(e, "-:") }) && len(entries) >= wholes {
		return all, why, ""
	}
	for _, entry := range entries {
		found := namedForContainer(all, entry)
		if len(found) == 0 {
			note = fmt.Sprintf("NVIDIA_VISIBLE_DEVICES=%s: %q names no GPU here", list, entry)
		}
		keep = append(keep, found...)
	}
	return slices.DeleteFunc(slices.Clone(all), func(d *Device) bool { return !slices.Contains(keep, d) }), why, note
}

// namedForContainer finds what an entry names: a GPU by number or UUID, with its MIG instances; an instance by UUID or by the
// numbers of GPU and instance, 0:1, with its GPU.
func namedForContainer(all []*Device, entry string) (found []*Device) {
	gpu, part, isPair := strings.Cut(entry, ":")
	number := 0
	var whole *Device
	for _, d := range all {
		if d.GPU.MIG == nil {
			whole = d
			if d.ID == entry || !isPair && strconv.Itoa(number) == entry {
				found = append(found, d)
				for _, p := range all {
					if isPart(p, d) {
						found = append(found, p)
					}
				}
			}
			number++
			continue
		}
		if d.ID == entry || isPair && strconv.Itoa(number-1) == gpu && strconv.Itoa(d.GPU.MIG.Index) == part {
			found = append(found, whole, d)
		}
	}
	return found
}
