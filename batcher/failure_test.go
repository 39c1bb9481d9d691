package batcher

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

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
