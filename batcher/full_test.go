package batcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestQueueFull(t *testing.T) {
	within(t, Config{MaxBatchSize: 2, MaxTaskRows: 2, MaxEnqueuedBatches: 2}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		time.Sleep(10 * ms)
		ctx, cancel := context.WithCancel(r.t.Context())
		r.send(column(0))
		r.send(column(1))
		r.send(column(1, 2))
		gone := r.sendCtx(ctx, column(1)) // joins nothing: the open batch is full
		if <-gone.done; gone.err == nil {
			t.Fatal("the bound does not hold")
		}
		const text = "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and max_enqueued_batches is 2"
		var full *QueueFullError
		if !errors.As(gone.err, &full) || !errors.Is(gone.err, ErrQueueFull) || status.Code(gone.err) != codes.Unavailable ||
			!strings.HasPrefix(gone.err.Error(), text) || full.RetryAfter() != 40*ms {
			t.Errorf("%v, retry after %v", gone.err, full.RetryAfter())
		}
		other := column(1)
		other.Signature = sigB
		c := r.send(other)
		cancel()
		if <-c.done; c.err != nil {
			t.Errorf("another queue: %v", c.err)
		}
	})
}

func TestAbandonedEntriesDoNotFillTheQueue(t *testing.T) {
	within(t, Config{MaxBatchSize: 2, MaxTaskRows: 2, MaxEnqueuedBatches: 2}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		ctx, cancel := context.WithCancel(r.t.Context())
		for range 3 {
			r.sendCtx(ctx, column(1))
		}
		kept := r.send(column(2))
		cancel()
		synctest.Wait()
		for _, v := range [][]int64{{3}, {4, 5}} {
			select {
			case <-r.send(column(v...)).done:
				t.Error("no room though others have left")
			default:
			}
		}
		r.wg.Wait()
		r.wantSizes(1, 2, 2)
		if kept.err != nil {
			t.Error(kept.err)
		}
	})
}

func TestQueueFullWithSplitting(t *testing.T) {
	cfg := Config{MaxBatchSize: 8, MaxExecutionBatchSize: 2, MaxTaskRows: 8, MaxEnqueuedBatches: 3, Split: true}
	within(t, cfg, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		r.send(column(1))
		c := r.send(column(numbers(0, 6)...))
		if <-c.done; !errors.Is(c.err, ErrQueueFull) || !strings.Contains(c.err.Error(), "task size is 6 but scheduling capacity is only 5") {
			t.Error(c.err)
		}
		r.send(column(numbers(0, 5)...))
		r.wg.Wait()
		r.wantSizes(1, 2, 2, 2)
	})
}

func TestRowsOfAllQueuesAreBounded(t *testing.T) {
	within(t, Config{MaxQueuedRows: 4}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		r.send(column(1))
		b := column(numbers(0, 100)...) // accepted: nobody is refused for his size
		b.Signature = sigB
		r.send(b)
		c := r.send(column(3))
		if <-c.done; !errors.Is(c.err, ErrQueueFull) || !strings.Contains(c.err.Error(), "max_queued_rows is 4") {
			t.Error(c.err)
		}
	})
}

func TestTooLarge(t *testing.T) {
	within(t, Config{MaxBatchSize: 4, MaxTaskRows: 4}, 1, nil, nil, func(r *rig) {
		_, err := r.Do(r.t.Context(), column(1, 2, 3, 4, 5))
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "Task size 5 is larger than maximum input batch size 4") ||
			!strings.Contains(err.Error(), "max_batch_size") {
			t.Error(err)
		}
	})
}
