package devices

import (
	"io/fs"
	"iter"
	"path"
	"strconv"
	"strings"
)

// cpuQuota returns the processor time, in cores, to which the control groups limit this process: the smallest quota of its group
// and the groups above. It returns false if nothing limits it.
func cpuQuota(root fs.FS) (cores float64, limited bool) {
	take := func(quota, period string) {
		q, err := strconv.ParseFloat(quota, 64)
		p, errP := strconv.ParseFloat(period, 64)
		if err != nil || errP != nil || q <= 0 || p <= 0 { // "max", or -1
			return
		}
		if !limited || q/p < cores {
			cores, limited = q/p, true
		}
	}
	for dir := range groups(root, "") {
		if words := strings.Fields(read(root, dir, "cpu.max")); len(words) == 2 {
			take(words[0], words[1])
		}
	}
	for dir := range groups(root, "cpu") {
		take(read(root, dir, "cpu.cfs_quota_us"), read(root, dir, "cpu.cfs_period_us"))
	}
	return cores, limited
}

// cpuMemory returns the memory of the machine, or of the control group if that is less, and how much of it is free. Memory that
// holds cached files counts as free, because the kernel reclaims it. It returns 0, 0 if nothing is known.
func cpuMemory(root fs.FS) (total, free uint64) {
	total, free = kilobytes(root, "MemTotal"), kilobytes(root, "MemAvailable")
	within := func(limit, used, cached uint64) {
		if limit == 0 || limit >= total {
			return
		}
		total = limit
		free = min(free, limit-min(limit, used-min(used, cached)))
	}
	for dir := range groups(root, "") {
		within(number(read(root, dir, "memory.max")), number(read(root, dir, "memory.current")), counter(root, dir, "inactive_file"))
	}
	for dir := range groups(root, "memory") {
		within(number(read(root, dir, "memory.limit_in_bytes")), number(read(root, dir, "memory.usage_in_bytes")), counter(root, dir, "total_inactive_file"))
	}
	return total, min(total, free)
}

// groups yields the directories of this process's control group and of those above it, which limit it too. controller is empty
// for the unified hierarchy (version 2). In a container the path may be the host's and not exist; then the top directory is the
// container's own.
func groups(root fs.FS, controller string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(read(root, "proc/self", "cgroup") + "\n") {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // id:controllers:path
			if len(parts) != 3 || !contains(parts[1], controller) {
				continue
			}
			for dir := path.Join("/", parts[2]); ; dir = path.Dir(dir) {
				if !yield(path.Join("sys/fs/cgroup", controller, dir)) || dir == "/" {
					return
				}
			}
		}
	}
}

// contains reports whether a comma-separated list has the word. The empty list has the empty word.
func contains(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// read returns a small file's text, or "" if it cannot be read.
func read(root fs.FS, dir, file string) string {
	text, _ := fs.ReadFile(root, path.Join(dir, file))
	return strings.TrimSpace(string(text))
}

// number parses a number. It returns 0 if the text is none, such as "max".
func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// counter returns the number of a line of memory.stat.
func counter(root fs.FS, dir, name string) uint64 {
	for line := range strings.Lines(read(root, dir, "memory.stat")) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == name {
			return number(value)
		}
	}
	return 0
}

// kilobytes returns a field of /proc/meminfo in bytes.
func kilobytes(root fs.FS, name string) uint64 {
	return number(strings.TrimSuffix(field(root, "proc/meminfo", name), " kB")) * 1024
}
