package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// failOn makes every batch fail that holds one of the values, naming the first.
func failOn(values ...int64) func(*tensor.Batch) error {
	return func(b *tensor.Batch) error {
		for _, p := range b.Parts {
			for _, v := range ints(p[0]) {
				if slices.Contains(values, v) {
					return status.Errorf(codes.InvalidArgument, "bad value %d", v)
				}
			}
		}
		return nil
	}
}

func TestOnlyTheGuiltyFail(t *testing.T) {
	const n = 64
	for _, guilty := range [][]int64{{0}, {63}, {20}, {5, 6}, {1, 17, 40, 63}, numbers(0, n)} {
		t.Run(fmt.Sprint(len(guilty), guilty[0]), func(t *testing.T) {
			setup := func(f *fake) {
				slow(f)
				f.fails = failOn(guilty...)
			}
			within(t, Config{}, 1, nil, setup, func(r *rig) {
				r.send(column(1000))
				var calls []*call
				var checks []func()
				for i := range int64(n) {
					e := column(i)
					checks = append(checks, withArena(t, e))
					calls = append(calls, r.send(e))
				}
				r.wg.Wait()
				for i, c := range calls {
					if !slices.Contains(guilty, int64(i)) {
						if c.err != nil {
							t.Errorf("innocent %d: %v", i, c.err)
						}
					} else if c.err == nil || !strings.HasSuffix(c.err.Error(), fmt.Sprintf("bad value %d", i)) {
						t.Errorf("guilty %d: %v", i, c.err)
					}
				}
				most := min(2*n, 1+2*6*len(guilty)) // 6 = log2 n
				if runs := len(r.fake.runs) - 1; runs > most {
					t.Errorf("%d runs to find %d of %d, want at most %d", runs, len(guilty), n, most)
				}
				r.Close()
				for _, check := range checks {
					check()
				}
			})
		})
	}
}

func TestFailureThatNoInputCausedIsNotRunAgain(t *testing.T) {
	setup := func(f *fake) {
		slow(f)
		f.fails = func(*tensor.Batch) error { return status.Error(codes.Unavailable, "the device is gone") }
	}
	within(t, Config{}, 1, nil, setup, func(r *rig) {
		r.send(column(0))
		for i := range 8 {
			r.send(column(int64(i)))
		}
		r.wg.Wait()
		r.wantSizes(1, 8)
	})
}

func TestPanicIsAnErrorAndTheWorkerLives(t *testing.T) {
	setup := func(f *fake) {
		f.fails = func(b *tensor.Batch) error {
			if failOn(13)(b) != nil {
				panic("unlucky")
			}
			return nil
		}
	}
	within(t, Config{BatchTimeout: ms}, 1, nil, setup, func(r *rig) {
		good, bad := r.send(column(1)), r.send(column(13))
		r.wg.Wait()
		if good.err != nil {
			t.Error(good.err)
		}
		if status.Code(bad.err) != codes.Internal || !strings.Contains(bad.err.Error(), "unlucky") {
			t.Error(bad.err)
		}
	})
}

func TestNoResult(t *testing.T) {
	b, err := New(Config{}, []Executor{nothing{}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Do(t.Context(), column(1)); status.Code(err) != codes.Internal {
		t.Error(err)
	}
}

type nothing struct{}

func (nothing) Run(*tensor.Batch) (*tensor.Result, error) { return nil, nil }

func TestDeadlineInTheQueue(t *testing.T) {
	within(t, Config{}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		late, kept := column(1), column(2)
		late.Deadline = time.Now().Add(4 * ms)
		kept.Deadline = time.Now().Add(25 * ms)
		check := withArena(t, late)
		c, k := r.send(late), r.send(kept)
		<-c.done
		if status.Code(c.err) != codes.DeadlineExceeded || c.took != 4*ms {
			t.Error(c.err, c.took)
		}
		check()
		if s := r.Stats(); s.Entries != 1 || s.Rows != 1 {
			t.Errorf("it still counts: %+v", s)
		}
		<-k.done
		if k.err != nil || !slices.Equal(r.fake.runs[1].values, []int64{2}) {
			t.Error(k.err, r.fake.runs)
		}
	})
}

func TestDeadlineAtTheMomentOfTheBatch(t *testing.T) {
	within(t, Config{}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		for i := range int64(4) {
			e := column(i)
			e.Deadline = time.Now().Add(10 * ms) // just when the instance becomes idle
			r.send(e)
		}
		r.wg.Wait()
		r.wantSizes(1)
	})
}

func TestDeadlineDuringTheRun(t *testing.T) {
	for _, own := range []bool{true, false} {
		within(t, Config{}, 1, nil, slow, func(r *rig) {
			r.send(column(9))
			e, other := column(1), column(2)
			ctx, cancel := r.t.Context(), context.CancelFunc(func() {})
			if own {
				e.Deadline = time.Now().Add(15 * ms)
			} else {
				ctx, cancel = context.WithDeadline(ctx, time.Now().Add(15*ms))
			}
			defer cancel()
			check := withArena(t, e)
			c, o := r.sendCtx(ctx, e), r.send(other)
			<-c.done
			if status.Code(c.err) != codes.DeadlineExceeded || c.took != 15*ms || !strings.Contains(c.err.Error(), "being run") {
				t.Error(c.err, c.took)
			}
			<-o.done
			if o.err != nil || o.took != 20*ms {
				t.Error(o.err, o.took)
			}
			synctest.Wait()
			check()
			r.wantSizes(1, 2)
		})
	}
}

func TestCancel(t *testing.T) {
	within(t, Config{}, 1, nil, slow, func(r *rig) {
		running, stop := context.WithCancel(r.t.Context())
		a := r.sendCtx(running, column(0))
		waiting, leave := context.WithCancel(r.t.Context())
		b := r.sendCtx(waiting, column(1))
		c := r.send(column(2))
		stop()
		leave()
		<-a.done
		<-b.done
		if status.Code(a.err) != codes.Canceled || status.Code(b.err) != codes.Canceled || a.took != 0 || b.took != 0 {
			t.Error(a.err, a.took, b.err, b.took)
		}
		<-c.done
		if c.err != nil || !slices.Equal(r.fake.runs[1].values, []int64{2}) {
			t.Error(c.err, r.fake.runs)
		}
	})
}

func TestExpiredEntriesAreNotRunAgain(t *testing.T) {
	setup := func(f *fake) {
		slow(f)
		f.fails = failOn(3)
	}
	within(t, Config{}, 1, nil, setup, func(r *rig) {
		r.send(column(9))
		for i := range int64(4) {
			e := column(i)
			e.Deadline = time.Now().Add(25 * ms)
			r.send(e)
		}
		r.wg.Wait()
		time.Sleep(time.Second)
		r.wantSizes(1, 4, 2) // 0 and 1 were started before the deadline; 2 and 3 have nobody waiting
	})
}

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
			!strings.HasPrefix(gone.err.Error(), text) || full.RetryAfter() != 20*ms {
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
		b := column(numbers(0, 200)...) // accepted: nobody is refused for his size
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

func TestOutputsThatDoNotFollowTheBatch(t *testing.T) {
	setup := func(f *fake) {
		slow(f)
		f.makes = func(b *tensor.Batch) []tensor.Tensor { // the sum over everything
			sum := int64(0)
			for _, p := range b.Parts {
				for _, v := range ints(p[0]) {
					sum += v
				}
			}
			return []tensor.Tensor{intTensor([]int64{sum}), plusOne(b)[0]}
		}
	}
	within(t, Config{MaxBatchSize: 4}, 1, nil, setup, func(r *rig) {
		var seen []int64
		ask := func(e *Entry) (check func()) {
			check = withArena(t, e)
			want := int64(0)
			for _, v := range ints(e.Inputs[0]) {
				want += v
			}
			r.wg.Go(func() {
				a, err := r.Do(r.t.Context(), e)
				if err != nil || ints(a.Outputs[0])[0] != want || len(a.Outputs[0].Shape) != 0 {
					t.Errorf("want %d, got %v %v", want, a, err)
				}
				seen = append(seen, want)
				a.Free()
			})
			synctest.Wait()
			return check
		}
		var checks []func()
		other := column(1)
		other.Signature = sigB
		checks = append(checks, ask(other)) // keeps the instance busy, and is found out alone
		for _, e := range []*Entry{column(1), column(2, 3), column(numbers(1, 9)...), column(4), column(5)} {
			checks = append(checks, ask(e))
		}
		r.wg.Wait()
		checks = append(checks, ask(column(6, 7)))
		r.wg.Wait()
		for _, check := range checks {
			check()
		}
		r.wantSizes(1, 4, 0, 0, 0, 0, 0, 0) // one batch, found out; then one by one
		if len(seen) != 7 {
			t.Errorf("answers %v", seen)
		}
	})
}

func TestPaddedSingleEntryIsRunAsItIsWhenOutputsDoNotFollow(t *testing.T) {
	setup := func(f *fake) {
		f.makes = func(b *tensor.Batch) []tensor.Tensor {
			return []tensor.Tensor{intTensor([]int64{int64(b.Size)})}
		}
	}
	within(t, Config{AllowedBatchSizes: []int{8}}, 1, nil, setup, func(r *rig) {
		a, err := r.Do(r.t.Context(), column(1, 2))
		if err != nil || ints(a.Outputs[0])[0] != 0 {
			t.Errorf("%v %v", a, err)
		}
		a.Free()
		r.wantSizes(2, 0)
	})
}
