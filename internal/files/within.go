package files

import (
	"sync"
	"sync/atomic"
	"time"
)

// DefaultTimeout is how long a file may give nothing.
const DefaultTimeout = 30 * time.Second

var timeout atomic.Int64 // nanoseconds; 0: none was set

// SetTimeout sets how long a file may give nothing before it is given up, in the whole process; 0 means DefaultTimeout.
func SetTimeout(d time.Duration) { timeout.Store(int64(d)) }

func patience() time.Duration {
	if d := timeout.Load(); d > 0 {
		return time.Duration(d)
	}
	return DefaultTimeout
}

// hanging are the paths that were given up and whose system call has not come back. Nothing can end such a call, and each holds
// a thread: so there is one at most for each path, however often it is asked for.
var hanging struct {
	sync.Mutex
	paths map[string]bool
}

func hangs(path string) bool {
	hanging.Lock()
	defer hanging.Unlock()
	return hanging.paths[path]
}

func setHanging(path string, is bool) {
	hanging.Lock()
	defer hanging.Unlock()
	if hanging.paths == nil {
		hanging.paths = make(map[string]bool)
	}
	if is {
		hanging.paths[path] = true
	} else {
		delete(hanging.paths, path)
	}
}

type outcome[T any] struct {
	value T
	err   error
}

// within does something with a path that may hang, and gives it up when it has not called progress for too long. What comes
// after that is given to late, unless that is nil.
func within[T any](path string, do func(progress func()) (T, error), late func(T)) (T, error) {
	var none T
	most := patience()
	if hangs(path) {
		return none, stalled(path, most)
	}
	done, beat := make(chan outcome[T], 1), make(chan struct{}, 1)
	go func() {
		value, err := do(func() {
			select {
			case beat <- struct{}{}:
			default:
			}
		})
		done <- outcome[T]{value, err}
	}()
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		select {
		case o := <-done:
			return o.value, o.err
		case <-beat:
			timer.Reset(most)
		case <-timer.C:
			setHanging(path, true)
			go func() {
				o := <-done
				setHanging(path, false)
				if late != nil && o.err == nil {
					late(o.value)
				}
			}()
			return none, stalled(path, most)
		}
	}
}
