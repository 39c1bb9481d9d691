package main

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// batchThreads puts the process's threads under SCHED_BATCH; those that they start inherit it. Requests arrive and batches end
// all the time on threads of their own: with the normal policy each of them interrupts whatever runs, mostly a batch, which
// costs a switch there and back and the caches' contents. Threads to which somebody gave another policy keep it.
func batchThreads() error {
	changed := 0
	for again := true; again; { // a thread may have been started by one that had its turn later
		again = false
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil {
				return err
			}
			attr, err := unix.SchedGetAttr(id, 0)
			if err == nil && attr.Policy == unix.SCHED_NORMAL {
				attr.Policy = unix.SCHED_BATCH
				attr.Runtime = 0 // as the kernel chooses
				if err = unix.SchedSetAttr(id, attr, 0); err == nil {
					changed++
					again = true
				}
			}
			if err != nil && !errors.Is(err, unix.ESRCH) { // the thread has ended
				return err
			}
		}
	}
	if changed == 0 {
		return errors.New("the threads have another policy already")
	}
	return nil
}
