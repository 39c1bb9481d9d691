package rest

import (
	"context"
	"runtime"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// smallBody is the largest body that is decoded without a slot. That takes some microseconds, less than parking the goroutine and
// waking it again.
const smallBody = 16 << 10

// limiter bounds how many bodies are decoded at once. Decoding is pure computation. If more bodies are decoded than there are
// processors, finished batches wait for one.
type limiter struct{ slots chan struct{} }

func newLimiter(n int) *limiter {
	if n <= 0 {
		n = max(1, runtime.GOMAXPROCS(0)-1)
	}
	return &limiter{slots: make(chan struct{}, n)}
}

// acquire takes a slot. It waits for one until the deadline (zero: none) or the end of ctx.
func (l *limiter) acquire(ctx context.Context, deadline time.Time) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errStopped
	case <-expired:
		return errDecodeWait
	}
}

func (l *limiter) release() { <-l.slots }

var (
	errDecodeWait = status.Error(codes.DeadlineExceeded, "Timed out waiting to be decoded: "+
		"the bodies before it took longer than --rest_api_timeout_in_ms (--rest_api_num_threads are decoded at once)")
	errStopped = status.Error(codes.Unavailable, "The server has shut down")
)
