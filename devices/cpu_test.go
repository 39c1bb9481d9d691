package devices

import (
	"maps"
	"slices"
	"testing"
	"testing/fstest"
)

// machine is one of two sockets; the process may use four processors of the second.
var machine = fstest.MapFS{
	"proc/self/status":                      {Data: []byte("Name:\tshoal\nCpus_allowed:\tf0\nCpus_allowed_list:\t8-10,12\n")},
	"proc/self/cgroup":                      {Data: []byte("0::/system.slice/shoal.service\n")},
	"proc/cpuinfo":                          {Data: []byte("processor\t: 0\nmodel name\t: Some CPU @ 2.6GHz\n\nprocessor\t: 1\nmodel name\t: Some CPU @ 2.6GHz\n")},
	"proc/meminfo":                          {Data: []byte("MemTotal:       65536 kB\nMemFree:  1 kB\nMemAvailable:   32768 kB\n")},
	"sys/devices/system/node/node0/cpulist": {Data: []byte("0-7\n")},
	"sys/devices/system/node/node1/cpulist": {Data: []byte("8-15\n")},
}

func with(extra map[string]string) fstest.MapFS {
	m := maps.Clone(machine)
	for name, text := range extra {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestCPU(t *testing.T) {
	list := cpus(machine, 0)
	if len(list) != 1 {
		t.Fatalf("%d devices", len(list))
	}
	d := list[0]
	if d.ID != "cpu:0" || d.Name != "Some CPU @ 2.6GHz" || d.Cores != 4 || d.MemoryBytes != 64<<20 ||
		d.CPUs.String() != "8-10,12" || !slices.Equal(d.NUMANodes, []int{1}) {
		t.Errorf("CPU %+v", d)
	}
	split := cpus(machine, 3)
	if len(split) != 3 || split[2].String() != "cpu:2" || split[2].Cores != 4.0/3 {
		t.Errorf("split %+v", split)
	}
}

func TestControlGroups(t *testing.T) {
	const v1 = "11:cpuset:/\n4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n"
	for name, c := range map[string]struct {
		files       map[string]string
		cores       float64
		total, free uint64
	}{
		"no limits":         {map[string]string{"sys/fs/cgroup/cpu.max": "max 100000"}, 4, 64 << 20, 32 << 20},
		"version 2":         {map[string]string{"sys/fs/cgroup/system.slice/shoal.service/cpu.max": "150000 100000"}, 1.5, 64 << 20, 32 << 20},
		"a group above":     {map[string]string{"sys/fs/cgroup/system.slice/shoal.service/cpu.max": "300000 100000", "sys/fs/cgroup/system.slice/cpu.max": "50000 100000"}, 0.5, 64 << 20, 32 << 20},
		"more than allowed": {map[string]string{"sys/fs/cgroup/cpu.max": "9900000 100000"}, 4, 64 << 20, 32 << 20},
		"version 1 in a container": {map[string]string{
			"proc/self/cgroup":                           v1,
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":         "200000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":        "100000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "16777216\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "12582912\n",
			"sys/fs/cgroup/memory/memory.stat": "cache 1\ntotal_inactive_file 4194304\n",
		}, 2, 16 << 20, 8 << 20},
		"version 1 without": {map[string]string{
			"proc/self/cgroup": v1, "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 4, 64 << 20, 32 << 20},
		"memory": {map[string]string{
			"sys/fs/cgroup/system.slice/memory.max": "16777216\n", "sys/fs/cgroup/system.slice/memory.current": "15728640\n",
			"sys/fs/cgroup/system.slice/memory.stat": "anon 5\ninactive_file 1048576\n",
		}, 4, 16 << 20, 2 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			root := with(c.files)
			if d := cpus(root, 1)[0]; d.Cores != c.cores || d.MemoryBytes != c.total {
				t.Errorf("%v cores, %v bytes; want %v, %v", d.Cores, d.MemoryBytes, c.cores, c.total)
			}
			if _, free := cpuMemory(root); free != c.free {
				t.Errorf("%v bytes free, want %v", free, c.free)
			}
		})
	}
}

func TestCPUMeter(t *testing.T) {
	// Of processors 8 and 9, 10 ticks were busy and 30 idle between the readings; processor 0 is not this process's.
	root := with(map[string]string{"proc/stat": "cpu  1 1 1 1 1 1 1 1 0 0\ncpu0 9 0 0 0 0 0 0 0 0 0\ncpu8 10 0 5 100 5 0 0 0 0 0\ncpu9 0 0 0 50 0 0 0 0 0 0\n"})
	m := newCPUMeter(root)
	first := m.read()
	if _, known := first.Utilization.Get(); known || first.MemoryFree.Or(0) != 32<<20 || first.MemoryUsed.Or(0) != 32<<20 {
		t.Errorf("first reading %+v", first)
	}
	root["proc/stat"] = &fstest.MapFile{Data: []byte("cpu0 99 0 0 0 0 0 0 0 0 0\ncpu8 12 1 5 110 5 0 0 1 0 0\ncpu9 6 0 0 70 0 0 0 0 0 0\n")}
	if busy := m.read().Utilization; busy != Known(0.25) {
		t.Errorf("utilisation %+v, want 0.25", busy)
	}
}

func TestCPUSet(t *testing.T) {
	for _, text := range []string{"0", "0-3", "0-3,8,10-11"} {
		if got := parseCPUList(text + "\n").String(); got != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	}
	for _, text := range []string{"", "x", "1-", "0-99999999"} {
		if got := parseCPUList(text); got != nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
