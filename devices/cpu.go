package devices

import (
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// cpus describes the CPU as n devices. TensorFlow can show one CPU as several (device_count). They share the processors, so this
// gains no speed; it gives several devices on a machine that has one.
func cpus(root fs.FS, n int) []*Device {
	allowed := allowedCPUs(root)
	cores := float64(len(allowed))
	if quota, ok := cpuQuota(root); ok {
		cores = min(cores, quota)
	}
	total, _ := cpuMemory(root)
	list := make([]*Device, max(n, 1))
	for i := range list {
		list[i] = &Device{
			Kind: CPU, Index: i, ID: fmt.Sprintf("cpu:%d", i), Name: cpuName(root), MemoryBytes: total,
			Cores: cores / float64(len(list)), NUMANodes: numaNodes(root, allowed), CPUs: allowed,
		}
	}
	return list
}

// allowedCPUs returns the processors of this process's affinity mask.
func allowedCPUs(root fs.FS) CPUSet {
	if list := parseCPUList(field(root, "proc/self/status", "Cpus_allowed_list")); len(list) > 0 {
		return list
	}
	list := make(CPUSet, runtime.NumCPU())
	for i := range list {
		list[i] = i
	}
	return list
}

// cpuName returns the name of the processor model, or a substitute if the kernel knows none, as on Arm.
func cpuName(root fs.FS) string {
	if name := field(root, "proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return runtime.GOARCH + " CPU"
}

// numaNodes returns the nodes that the processors belong to.
func numaNodes(root fs.FS, of []int) (nodes []int) {
	dirs, _ := fs.Glob(root, "sys/devices/system/node/node[0-9]*")
	for _, dir := range dirs {
		text, err := fs.ReadFile(root, path.Join(dir, "cpulist"))
		node, errNode := strconv.Atoi(strings.TrimPrefix(path.Base(dir), "node"))
		if err != nil || errNode != nil {
			continue
		}
		if slices.ContainsFunc(parseCPUList(string(text)), func(cpu int) bool { return slices.Contains(of, cpu) }) {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// field returns the value of the first line "name: value" in a file of /proc, or "" if there is none.
func field(root fs.FS, file, name string) string {
	text, _ := fs.ReadFile(root, file)
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// cpuMeter measures how busy the allowed processors are, between one reading and the next.
type cpuMeter struct {
	root       fs.FS
	allowed    map[string]bool // "cpu0"
	busy, idle uint64          // clock ticks since boot, when last read
}

func newCPUMeter(root fs.FS) *cpuMeter {
	m := &cpuMeter{root: root, allowed: make(map[string]bool)}
	for _, cpu := range allowedCPUs(root) {
		m.allowed["cpu"+strconv.Itoa(cpu)] = true
	}
	return m
}

// read returns the utilisation by all processes since the last call, unknown at the first call, and the memory.
func (m *cpuMeter) read() (r Reading) {
	var busy, idle uint64
	text, _ := fs.ReadFile(m.root, "proc/stat")
	for line := range strings.Lines(string(text)) {
		// user nice system idle iowait irq softirq steal; user and nice include the fields that follow
		words := strings.Fields(line)
		if len(words) < 9 || !m.allowed[words[0]] {
			continue
		}
		for i, word := range words[1:9] {
			ticks, _ := strconv.ParseUint(word, 10, 64)
			if i == 3 || i == 4 {
				idle += ticks
			} else {
				busy += ticks
			}
		}
	}
	// If a processor goes offline, its ticks are no longer counted.
	if spent := busy - m.busy + idle - m.idle; m.busy+m.idle > 0 && busy >= m.busy && idle >= m.idle && spent > 0 {
		r.Utilization = Known(float64(busy-m.busy) / float64(spent))
	}
	m.busy, m.idle = busy, idle
	if total, free := cpuMemory(m.root); total > 0 {
		r.MemoryUsed, r.MemoryFree = Known(total-free), Known(free)
	}
	return r
}
