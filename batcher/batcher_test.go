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

const ms = time.Millisecond

func slow(f *fake) { f.takes = 10 * ms }

func TestBatchesFormExactlyWhileAllInstancesAreBusy(t *testing.T) {
	within(t, Config{}, 2, nil, slow, func(r *rig) {
		for i := range 8 {
			r.send(column(int64(i)))
		}
		r.wantSizes(1, 1)
		if s := r.Stats(); s.Entries != 6 || s.Rows != 6 || s.Busy != 2 || s.Queues != 1 || s.Instances != 2 {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(10 * ms)
		synctest.Wait()
		r.wantSizes(1, 1, 6)
		r.send(column(8)) // the other instance is idle
		r.wantSizes(1, 1, 6, 1)
	})
}

func TestBatchIsNotLargerThanTheLimit(t *testing.T) {
	within(t, Config{MaxBatchSize: 4, MaxTaskRows: 4}, 1, nil, slow, func(r *rig) {
		for _, n := range []int{1, 2, 2, 1, 1, 4} {
			r.send(column(make([]int64, n)...))
		}
		r.wg.Wait()
		r.wantSizes(1, 4, 2, 4) // 2+2, then 1+1: 4 more do not fit
	})
}

func TestTimeoutIsExact(t *testing.T) {
	within(t, Config{BatchTimeout: 5 * ms, MaxBatchSize: 4}, 2, nil, nil, func(r *rig) {
		r.send(column(1))
		time.Sleep(3 * ms)
		r.send(column(2))
		time.Sleep(2*ms - 1)
		synctest.Wait()
		r.wantSizes()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		r.wantSizes(2)
		if at := r.fake.runs[0].at; at != 5*ms {
			t.Errorf("left after %v", at)
		}

		// A full batch leaves at once; the next one counts from its own first entry.
		time.Sleep(5 * ms)
		for i := range 6 {
			r.send(column(int64(i)))
		}
		r.wantSizes(2, 4)
		time.Sleep(5*ms - 1)
		synctest.Wait()
		r.wantSizes(2, 4)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		r.wantSizes(2, 4, 2)
	})
}

func TestTimeoutOfSeveralShapes(t *testing.T) {
	within(t, Config{BatchTimeout: 5 * ms}, 1, nil, nil, func(r *rig) {
		wide := func() *Entry {
			return &Entry{Signature: sigA, Inputs: []tensor.Tensor{intTensor([]int64{1, 2}, 1, 2)}}
		}
		r.send(column(1))
		time.Sleep(2 * ms)
		r.send(wide())
		time.Sleep(1 * ms)
		r.send(column(1))
		r.wg.Wait()
		if len(r.fake.runs) != 2 || r.fake.runs[0].at != 5*ms || r.fake.runs[1].at != 7*ms || r.fake.runs[0].rows != 2 {
			t.Errorf("runs %+v", r.fake.runs)
		}
	})
}

func TestClosingRunsWhatWasAccepted(t *testing.T) {
	within(t, Config{BatchTimeout: time.Hour}, 2, nil, slow, func(r *rig) {
		var calls []*call
		for i := range 5 {
			calls = append(calls, r.send(column(int64(i))))
		}
		other := column(1)
		other.Signature = sigB
		calls = append(calls, r.send(other))
		r.wantSizes()
		start := time.Now()
		r.Close()
		if took := time.Since(start); took != 10*ms {
			t.Errorf("Close took %v, a run 10ms", took)
		}
		r.wantSizes(5, 1)
		if _, err := r.Do(r.t.Context(), column(1)); !errors.Is(err, ErrClosed) || status.Code(err) != codes.Unavailable {
			t.Errorf("after Close: %v", err)
		}
		r.Close()
		for _, c := range calls {
			if <-c.done; c.err != nil {
				t.Error(c.err)
			}
		}
	})
}

func TestOldestEntryFirstOverAllQueues(t *testing.T) {
	within(t, Config{}, 1, nil, slow, func(r *rig) {
		r.send(column(0))
		for i, name := range strings.Split("b a c b a", " ") {
			e := column(int64(i))
			switch name {
			case "b":
				e.Signature = sigB
			case "c":
				e.Inputs[0] = intTensor([]int64{int64(i), 9}, 1, 2)
			}
			r.send(e)
		}
		r.wg.Wait()
		var got []string
		for _, x := range r.fake.runs {
			got = append(got, fmt.Sprint(x.sig, x.values))
		}
		want := []string{"a[0]", "b[0 3]", "a[1 4]", "a[2 9]"}
		if !slices.Equal(got, want) {
			t.Errorf("runs %v, want %v", got, want)
		}
	})
}

func TestDifferentTypesAndRanksDoNotMix(t *testing.T) {
	for _, padded := range []bool{false, true} {
		within(t, Config{PadVariableLength: padded}, 1, nil, slow, func(r *rig) {
			r.send(column(0))
			flat := &Entry{Signature: sigA, Inputs: []tensor.Tensor{intTensor([]int64{1}, 1)}}
			cube := &Entry{Signature: sigA, Inputs: []tensor.Tensor{intTensor([]int64{1}, 1, 1, 1)}}
			typed := column(1)
			typed.Inputs[0].DType = tensor.Uint64
			for _, e := range []*Entry{column(1), flat, cube, typed, column(2)} {
				r.send(e)
			}
			r.wg.Wait()
			r.wantSizes(1, 2, 1, 1, 1)
		})
	}
}

func TestSomeEntriesRunAlone(t *testing.T) {
	two := []tensor.Tensor{intTensor([]int64{1, 2}, 2), intTensor([]int64{1}, 1)}
	cases := map[string]*Entry{
		"unbatched": {Signature: sigA, Inputs: column(1, 2).Inputs, Unbatched: true},
		"scalar":    {Signature: sigA, Inputs: []tensor.Tensor{intTensor([]int64{1})}},
		"unequal":   {Signature: sigA, Inputs: two},
		"no rows":   {Signature: sigA, Inputs: []tensor.Tensor{intTensor(nil, 0, 3)}},
	}
	for name, e := range cases {
		t.Run(name, func(t *testing.T) {
			within(t, Config{AllowedBatchSizes: []int{64, 128}}, 1, nil, slow, func(r *rig) {
				r.send(column(0))
				r.send(column(1))
				r.send(e)
				r.send(column(2))
				c := r.send(e)
				<-c.done
				r.wantSizes(1, 2, 0, 0)
				x := r.fake.runs[2]
				if x.size != 0 || len(x.parts) != 1 || !x.shapes[0].Equal(e.Inputs[0].Shape) {
					t.Errorf("ran as %+v", x)
				}
				if c.err != nil || c.answer.BatchRows != 1 || c.answer.BatchSize != 1 {
					t.Errorf("answer %+v, %v", c.answer, c.err)
				}
			})
		})
	}
}

func TestBatchSizesAreRoundedUp(t *testing.T) {
	within(t, Config{AllowedBatchSizes: []int{2, 8}, MaxBatchSize: 16}, 1, nil, slow, func(r *rig) {
		r.send(column(1))
		var last *call
		for range 3 {
			last = r.send(column(1))
		}
		time.Sleep(10 * ms)
		synctest.Wait()
		r.send(column(make([]int64, 9)...)) // above the largest: as it is
		r.wg.Wait()
		var got []int
		for _, x := range r.fake.runs {
			got = append(got, x.size, int(x.shapes[0][0]))
		}
		if !slices.Equal(got, []int{2, 2, 8, 8, 9, 9}) {
			t.Errorf("sizes %v", got)
		}
		if a := last.answer; a.BatchRows != 3 || a.BatchSize != 8 || a.Queue != 10*ms || a.Run != 10*ms {
			t.Errorf("answer %+v", a)
		}
	})
}

func TestVariableLengthIsPaddedToTheLargest(t *testing.T) {
	setup := func(f *fake) {
		slow(f)
		f.makes = func(b *tensor.Batch) []tensor.Tensor {
			return []tensor.Tensor{intTensor(make([]int64, b.Size), int64(b.Size))}
		}
	}
	within(t, Config{PadVariableLength: true}, 1, nil, setup, func(r *rig) {
		entry := func(shape ...int64) *Entry {
			n, _ := tensor.Shape(shape).Elements()
			return &Entry{Signature: sigA, Inputs: []tensor.Tensor{intTensor(make([]int64, n), shape...)}}
		}
		r.send(entry(1, 1, 1))
		r.send(entry(1, 2, 7))
		r.send(entry(2, 5, 3))
		r.send(entry(1, 0, 3)) // nothing to pad it with
		r.wg.Wait()
		r.wantSizes(1, 3, 0)
		if got := r.fake.runs[1].shapes[0]; !got.Equal(tensor.Shape{3, 5, 7}) {
			t.Errorf("shape %v", got)
		}
	})
}

func TestLimiterIsTakenBeforeTheBatchForms(t *testing.T) {
	limit := NewLimiter(1, nil)
	within(t, Config{}, 2, limit, slow, func(r *rig) {
		for i := range 5 {
			r.send(column(int64(i)))
		}
		r.wg.Wait()
		r.wantSizes(1, 4) // the second instance was idle, but the machine was not
		if m := r.fake.most.Load(); m != 1 {
			t.Errorf("%d runs at once", m)
		}
	})
}

func TestContextEndedBeforehand(t *testing.T) {
	within(t, Config{}, 1, nil, nil, func(r *rig) {
		ctx, cancel := context.WithCancel(r.t.Context())
		cancel()
		if _, err := r.Do(ctx, column(1)); status.Code(err) != codes.Canceled {
			t.Error(err)
		}
		e := column(1)
		e.Deadline = time.Now()
		if _, err := r.Do(r.t.Context(), e); status.Code(err) != codes.DeadlineExceeded {
			t.Error(err)
		}
		r.wantSizes()
	})
}
