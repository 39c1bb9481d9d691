package e2e

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCPUScheduling: all threads of a server that has loaded a model and answered have the policy that was asked for.
func TestCPUScheduling(t *testing.T) {
	for word, want := range map[string]uint32{"batch": unix.SCHED_BATCH, "normal": unix.SCHED_NORMAL} {
		s := startModel(t, "mlp", "--cpu_scheduling="+word)
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.cmd.Process.Pid))
		if err != nil || len(tasks) < 4 {
			t.Fatalf("%d threads, %v", len(tasks), err)
		}
		for _, task := range tasks {
			id, _ := strconv.Atoi(task.Name())
			if attr, err := unix.SchedGetAttr(id, 0); err == nil && attr.Policy != want {
				t.Errorf("%s: thread %d of %d has the policy %d", word, id, len(tasks), attr.Policy)
			}
		}
	}
}
