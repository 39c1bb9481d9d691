// Package wakeup measures how long a goroutine that returns from C waits for a processor while others compute: what a finished
// batch waits before its answers can be sent.
package wakeup

/*
#include <stdint.h>
#include <time.h>

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// compute keeps its processor for so long and says when it ended.
static int64_t compute(int64_t ns) {
	int64_t end = now() + ns, t;
	while ((t = now()) < end) {}
	return t;
}
*/
import "C"

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Waits calls a C function that computes for run, over and over for d, on so many goroutines, while others each call what
// work made for them without a pause; processors is GOMAXPROCS meanwhile. It returns the waits between the end in C and the goroutine going on, ascending.
func Waits(d, run time.Duration, callers, workers, processors int, work func() func()) []time.Duration {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	var done atomic.Bool
	var busy, calling sync.WaitGroup
	for range workers {
		busy.Go(func() {
			for work := work(); !done.Load(); {
				work()
			}
		})
	}
	waits := make([][]time.Duration, callers)
	start := time.Now()
	for i := range callers {
		calling.Go(func() {
			for time.Since(start) < d {
				end := C.compute(C.int64_t(run))
				waits[i] = append(waits[i], time.Duration(C.now()-end))
			}
		})
	}
	calling.Wait()
	done.Store(true)
	busy.Wait()
	all := slices.Concat(waits...)
	slices.Sort(all)
	return all
}
