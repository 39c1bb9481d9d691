package limits

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

// Waits measures how long a goroutine that returns from C waits for a processor while others compute. A finished batch waits as long
// before its answers can be sent.
//
// For the time d, each of callers goroutines calls a C function that computes for run. Meanwhile each of workers goroutines calls
// without a pause what work made for it, and GOMAXPROCS is processors. The waits are in ascending order.
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
