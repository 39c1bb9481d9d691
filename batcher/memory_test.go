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

	"shoal/tensor"
)

// The bound on bytes holds over all batchers that share it; what leaves the queue, to be run or with its caller, makes room, and
// one entry may be larger than the whole bound.
func TestBytesThatWaitAreBounded(t *testing.T) {
	memory := NewMemory(64)
	within(t, Config{MaxBatchSize: 8, Memory: memory}, 1, nil, slow, func(r *rig) {
		large := column(make([]int64, 16)...) // 128 bytes
		r.send(column(0))                     // is run, and does not wait
		time.Sleep(ms)
		ctx, cancel := context.WithCancel(r.t.Context())
		r.sendCtx(ctx, large)
		synctest.Wait()
		refused := r.send(column(1))
		<-refused.done
		var full *QueueFullError
		if !errors.As(refused.err, &full) || status.Code(refused.err) != codes.Unavailable || !strings.Contains(refused.err.Error(), "inputs of 128 bytes are waiting and max_queued_bytes is 64") {
			t.Errorf("%v", refused.err)
		}
		other := Config{Memory: memory}
		other.EnsureDefaults()
		var bl backlog
		bl.init(&other, &speed{}, new(1))
		if _, _, err := bl.admit(&task{sig: sigA, rows: 1}, nil, time.Time{}); !errors.Is(err, ErrQueueFull) {
			t.Errorf("another batcher that shares the bound: %v", err)
		}
		cancel()
		synctest.Wait()
		accepted := r.send(column(1))
		if <-accepted.done; accepted.err != nil {
			t.Error(accepted.err)
		}
		r.wg.Wait()
		if n := memory.waiting.Load(); n != 0 {
			t.Errorf("%d bytes wait though nothing does", n)
		}
	})
}

func TestBytesOfInputs(t *testing.T) {
	inputs := []tensor.Tensor{{Data: make([]byte, 40)}, {Strings: [][]byte{[]byte("abc"), nil}}}
	if n := NewMemory(1).measure(inputs); n != 40+3+2*tensor.StringHeader {
		t.Errorf("%d", n)
	}
	var unbounded *Memory
	if NewMemory(0) != unbounded || unbounded.measure(inputs) != 0 || unbounded.full() != "" {
		t.Error("no limit must bound and count nothing")
	}
}
