package e2e

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// memoryGroup makes a control group for processes that may have limit bytes together, and returns the file by which a process
// joins it. The test is skipped where that needs rights that it does not have.
func memoryGroup(t *testing.T, limit int64) (join string) {
	t.Helper()
	parent, file := ownMemoryGroup(t)
	dir := filepath.Join(parent, "shoal-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no control group of memory can be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Log(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatInt(limit, 10)), 0o644); err != nil {
		t.Skipf("memory cannot be limited here: %v", err)
	}
	return filepath.Join(dir, "cgroup.procs")
}

// ownMemoryGroup finds the directory of this process's group and the name of the limit in it, of version 1 or 2.
func ownMemoryGroup(t *testing.T) (dir, file string) {
	t.Helper()
	f, err := os.Open("/proc/self/cgroup")
	if err != nil {
		t.Skipf("no control groups here: %v", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3) // id:controllers:path
		if len(parts) != 3 {
			continue
		}
		if parts[1] == "memory" {
			return existing("/sys/fs/cgroup/memory", parts[2]), "memory.limit_in_bytes"
		}
		if parts[1] == "" {
			dir, file = existing("/sys/fs/cgroup", parts[2]), "memory.max"
		}
	}
	if dir == "" {
		t.Skip("no control group of memory here")
	}
	return dir, file
}

// existing is the group's directory, or the top where the path is one outside of this container.
func existing(top, path string) string {
	if dir := filepath.Join(top, path); dir != top {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return top
}
