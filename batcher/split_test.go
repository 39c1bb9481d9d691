package batcher

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

func numbers(from, n int) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = int64(from + i)
	}
	return v
}

func TestLargeEntryIsDividedAndJoined(t *testing.T) {
	within(t, Config{MaxBatchSize: 4}, 2, nil, slow, func(r *rig) {
		e := column(numbers(0, 10)...)
		check := withArena(t, e)
		c := r.send(e)
		r.wantSizes(4, 4) // over both instances at once
		<-c.done
		r.wantSizes(4, 4, 2)
		if c.err != nil || c.answer.BatchRows != 4 || c.answer.Run != 20*ms || c.answer.Queue != 0 {
			t.Errorf("answer %+v, %v", c.answer, c.err)
		}
		check()
	})
}

func TestOnlyWhatCannotFitIsDividedWithoutParameters(t *testing.T) {
	within(t, Config{MaxBatchSize: 4}, 1, nil, slow, func(r *rig) {
		for _, n := range []int{1, 3, 2, 6, 1} {
			r.send(column(make([]int64, n)...))
		}
		r.wg.Wait()
		r.wantSizes(1, 3, 4, 4, 1) // 3; 2 and the first 2 of the 6; the other 4; 1
	})
}

func TestSplitFillsTheOpenBatch(t *testing.T) {
	cfg := Config{MaxBatchSize: 12, MaxExecutionBatchSize: 4, MaxTaskRows: 12, Split: true, BatchTimeout: 5 * ms, MaxEnqueuedBatches: 4}
	within(t, cfg, 1, nil, slow, func(r *rig) {
		a, b := r.send(column(numbers(0, 3)...)), r.send(column(numbers(10, 8)...))
		r.wg.Wait()
		r.wantSizes(4, 4, 3)
		if !slices.Equal(r.fake.runs[0].parts, []int{3, 1}) {
			t.Errorf("parts %v", r.fake.runs[0].parts)
		}
		if a.err != nil || b.err != nil || r.fake.runs[0].at != 0 || r.fake.runs[2].at != 20*ms {
			t.Error(a.err, b.err, r.fake.runs)
		}
		c := r.send(column(numbers(0, 13)...))
		if <-c.done; status.Code(c.err) != codes.InvalidArgument {
			t.Errorf("larger than max_batch_size: %v", c.err)
		}
	})
}

func TestFailedPieceFailsItsEntryOnly(t *testing.T) {
	setup := func(f *fake) {
		slow(f)
		f.fails = failOn(5)
	}
	within(t, Config{MaxBatchSize: 4}, 1, nil, setup, func(r *rig) {
		r.send(column(100))
		e, n := column(numbers(0, 14)...), column(numbers(200, 3)...)
		check, checkN := withArena(t, e), withArena(t, n)
		c, d := r.send(e), r.send(n)
		<-c.done
		<-d.done
		if status.Code(c.err) != codes.InvalidArgument || d.err != nil {
			t.Error(c.err, d.err)
		}
		r.wantSizes(1, 4, 4, 3) // the rest of the guilty one never runs
		check()
		checkN()
	})
}

func TestDeadlineOfADividedEntry(t *testing.T) {
	within(t, Config{MaxBatchSize: 4}, 1, nil, slow, func(r *rig) {
		e := column(numbers(0, 16)...)
		e.Deadline = time.Now().Add(15 * ms)
		check := withArena(t, e)
		c := r.send(e)
		<-c.done
		if status.Code(c.err) != codes.DeadlineExceeded || c.took != 15*ms {
			t.Error(c.err, c.took)
		}
		synctest.Wait()
		if s := r.Stats(); s.Rows != 0 || s.Entries != 0 {
			t.Errorf("it still counts: %+v", s)
		}
		time.Sleep(time.Second)
		r.wantSizes(4, 4)
		check()
	})
}

// TestEndBetweenPieces ends a divided entry while one piece is back, the rest is queued, and nothing of it is running: its
// deadline is found to have passed, its signature turns out not to be batched, or its caller leaves.
func TestEndBetweenPieces(t *testing.T) {
	prepare := func(t *testing.T, deadline time.Time) (b *Batcher, w *worker, tk *task, freed *int, check func()) {
		b, err := New(Config{MaxBatchSize: 4}, newFake(t).instances(1), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := column(numbers(0, 6)...)
		e.Deadline = deadline
		check = withArena(t, e)
		tk = b.newTask(t.Context(), e, time.Now())
		if _, _, err := b.backlog.admit(tk, nil, time.Time{}); err != nil {
			t.Fatal(err)
		}
		w, freed = b.idle[0], new(int)
		items := b.backlog.fill(nil, tk.queue, 4, time.Now())
		w.finish(items[0], &Answer{owner: share(&tensor.Result{Release: func() { *freed++ }}, 1)}, nil)
		if tk.queue == nil || tk.split.running != 0 || *freed != 0 {
			t.Fatalf("not between its pieces: %+v", tk)
		}
		return
	}
	t.Run("expired", func(t *testing.T) {
		b, _, tk, freed, check := prepare(t, time.Now().Add(time.Hour))
		if items := b.backlog.fill(nil, tk.queue, 4, time.Now().Add(2*time.Hour)); len(items) != 0 {
			t.Error("it ran")
		}
		if o := <-tk.done; status.Code(o.err) != codes.DeadlineExceeded || *freed != 1 || b.backlog.rows != 0 {
			t.Error(o.err, *freed, b.backlog.rows)
		}
		check()
	})
	t.Run("unbatched", func(t *testing.T) {
		b, w, tk, freed, check := prepare(t, time.Time{})
		w.outputsDoNotFollow(sigA)
		if *freed != 1 || tk.queue != &b.backlog.single {
			t.Error(*freed, tk.queue)
		}
		if w.take(time.Now(), false) != hasRun || len(w.items) != 1 || w.items[0].rows() != 6 {
			t.Error("it does not run alone")
		}
		w.run()
		o := <-tk.done
		checkPlusOne(t, &Entry{Inputs: column(numbers(0, 6)...).Inputs}, o.answer)
		check()
	})
	t.Run("left", func(t *testing.T) {
		b, _, tk, freed, check := prepare(t, time.Time{})
		if o, again := b.leave(tk, context.Canceled); status.Code(o.err) != codes.Canceled || !again || *freed != 1 {
			t.Error(o.err, again, *freed)
		}
		check()
	})
}

func TestStringsAreJoined(t *testing.T) {
	setup := func(f *fake) {
		f.makes = func(b *tensor.Batch) []tensor.Tensor {
			var v [][]byte
			for _, p := range b.Parts {
				for _, s := range p[0].Strings {
					v = append(v, append([]byte("<"), s...))
				}
			}
			return []tensor.Tensor{{DType: tensor.String, Shape: tensor.Shape{int64(b.Size)}, Strings: v}}
		}
	}
	within(t, Config{MaxBatchSize: 2}, 1, nil, setup, func(r *rig) {
		in := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{5}}
		for _, s := range []string{"a", "", "long one", "d", "e"} {
			in.Strings = append(in.Strings, []byte(s))
		}
		a, err := r.Do(r.t.Context(), &Entry{Signature: sigA, Inputs: []tensor.Tensor{in}})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range a.Outputs[0].Strings {
			if string(s) != "<"+string(in.Strings[i]) {
				t.Errorf("row %d is %q", i, s)
			}
		}
		if len(a.Outputs[0].Strings) != 5 || !a.Outputs[0].Shape.Equal(tensor.Shape{5}) {
			t.Errorf("joined %v", a.Outputs[0])
		}
		a.Free()
	})
}

func TestPiecesThatDoNotJoinRunAsOne(t *testing.T) {
	setup := func(f *fake) {
		f.makes = func(b *tensor.Batch) []tensor.Tensor { // as wide as the batch is long
			n := max(int64(b.Size), b.Shapes[0][0])
			return []tensor.Tensor{intTensor(make([]int64, n*n), n, n)}
		}
	}
	within(t, Config{MaxBatchSize: 4}, 1, nil, setup, func(r *rig) {
		e := column(numbers(0, 6)...)
		check := withArena(t, e)
		a, err := r.Do(r.t.Context(), e)
		if err != nil || !a.Outputs[0].Shape.Equal(tensor.Shape{6, 6}) {
			t.Errorf("%v, %v", a, err)
		}
		a.Free()
		r.wantSizes(4, 2, 0)
		check()
	})
}

// FuzzRowsComeBack sends entries of random sizes through random configurations: whatever is split, padded or joined,
// every entry gets its own rows.
func FuzzRowsComeBack(f *testing.F) {
	f.Add(uint64(1), uint8(4), uint8(2), uint8(30), false, false)
	f.Add(uint64(2), uint8(1), uint8(1), uint8(9), true, true)
	f.Add(uint64(3), uint8(16), uint8(3), uint8(60), true, false)
	f.Fuzz(func(t *testing.T, seed uint64, size, instances, entries uint8, split, timeout bool) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		cfg := Config{MaxBatchSize: int(size%32) + 1, Split: split}
		if timeout {
			cfg.BatchTimeout = 3 * ms
		}
		if seed%3 == 0 {
			cfg.AllowedBatchSizes = []int{1 + cfg.MaxBatchSize/2, 1 + cfg.MaxBatchSize}
		}
		setup := func(f *fake) {
			f.takes = 2 * ms
			f.fails = failOn(-7)
		}
		within(t, cfg, int(instances%4)+1, nil, setup, func(r *rig) {
			var checks []func()
			for i := range int(entries % 64) {
				e := column(numbers(1000*i, 1+rnd.IntN(3*cfg.MaxBatchSize))...)
				guilty := rnd.IntN(10) == 0
				if guilty {
					e = column(slices.Concat(numbers(1000*i, rnd.IntN(4)), []int64{-7}, numbers(0, rnd.IntN(9)))...)
				}
				checks = append(checks, withArena(t, e))
				hasty := rnd.IntN(8) == 0
				if hasty {
					e.Deadline = time.Now().Add(time.Duration(1+rnd.IntN(9)) * ms)
				}
				r.wg.Go(func() {
					a, err := r.Do(r.t.Context(), e)
					switch {
					case err == nil && guilty:
						t.Error("the guilty entry was answered")
					case err == nil:
						checkPlusOne(t, e, a)
					case status.Code(err) == codes.DeadlineExceeded && hasty:
					case status.Code(err) == codes.InvalidArgument && guilty:
					default:
						t.Errorf("entry of %v failed: %v", e.Inputs[0].Shape, err)
					}
					a.Free()
				})
				if rnd.IntN(3) == 0 {
					time.Sleep(time.Duration(rnd.IntN(4)) * ms / 2)
				}
			}
			r.wg.Wait()
			r.Close()
			for _, check := range checks {
				check()
			}
		})
	})
}
