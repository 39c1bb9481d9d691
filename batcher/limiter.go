package batcher

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Limiter bounds the batches that run at once over all batchers that share it (num_batch_threads), first come, first
// served. A nil limiter does not limit.
type Limiter struct {
	sem *semaphore.Weighted
}

// NewLimiter allows n runs at once; n below 1 means no limit.
func NewLimiter(n int) *Limiter {
	if n < 1 {
		return nil
	}
	return &Limiter{sem: semaphore.NewWeighted(int64(n))}
}

// acquire waits for a place. Places are held for a run only, so the wait ends without a deadline of its own.
func (l *Limiter) acquire() {
	if l != nil {
		_ = l.sem.Acquire(context.Background(), 1) // fails only by its context, and this one has no end
	}
}

// tryAcquire takes a place if there is one.
func (l *Limiter) tryAcquire() bool { return l == nil || l.sem.TryAcquire(1) }

func (l *Limiter) release() {
	if l != nil {
		l.sem.Release(1)
	}
}
