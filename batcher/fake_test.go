package batcher

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"shoal/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ran is what a fake executor saw of one run.
type ran struct {
	sig        string
	rows, size int
	parts      []int // rows of each part
	shapes     []tensor.Shape
	values     []int64 // the elements of input 0
	at         time.Duration
	instance   int
}

// fake is the instances of a fake model: the output is the input (int64) plus one, padded rows included. It counts the
// results that were not freed and checks that no two runs of an instance overlap.
type fake struct {
	t     testing.TB
	takes time.Duration                         // of a run, in fake time
	fails func(b *tensor.Batch) error           // nil: never
	makes func(b *tensor.Batch) []tensor.Tensor // nil: the input plus one

	mu    sync.Mutex
	runs  []ran
	start time.Time

	unfreed atomic.Int64
	running atomic.Int64
	most    atomic.Int64
}

type fakeInstance struct {
	*fake
	index int
	busy  atomic.Bool
}

func newFake(t testing.TB) *fake { return &fake{t: t, start: time.Now()} }

func (f *fake) instances(n int) []Executor {
	var execs []Executor
	for i := range n {
		execs = append(execs, &fakeInstance{fake: f, index: i})
	}
	return execs
}

func (f *fakeInstance) Run(b *tensor.Batch) (*tensor.Result, error) {
	if !f.busy.CompareAndSwap(false, true) {
		f.t.Error("two runs at once on one instance")
	}
	defer f.busy.Store(false)
	now := f.running.Add(1)
	defer f.running.Add(-1)
	f.most.Store(max(f.most.Load(), now))

	r := ran{sig: b.Signature.Name, rows: b.Rows, size: b.Size, at: time.Since(f.start), instance: f.index}
	for _, p := range b.Parts {
		r.parts = append(r.parts, int(p[0].Rows()))
		r.values = append(r.values, ints(p[0])...)
	}
	for _, s := range b.Shapes {
		r.shapes = append(r.shapes, slices.Clone(s))
	}
	f.mu.Lock()
	f.runs = append(f.runs, r)
	f.mu.Unlock()
	if f.takes > 0 {
		time.Sleep(f.takes)
	}
	if f.fails != nil {
		if err := f.fails(b); err != nil {
			return nil, err
		}
	}
	f.unfreed.Add(1)
	res := &tensor.Result{Release: func() { f.unfreed.Add(-1) }}
	if f.makes != nil {
		res.Outputs = f.makes(b)
	} else {
		res.Outputs = plusOne(b)
	}
	return res, nil
}

// plusOne joins, pads and adds one, as a model would.
func plusOne(b *tensor.Batch) []tensor.Tensor {
	var all []int64
	for _, p := range b.Parts {
		for _, v := range ints(p[0]) {
			all = append(all, v+1)
		}
	}
	shape := slices.Clone(b.Shapes[0])
	if b.Rows > 0 {
		n, _ := shape.Elements()
		for len(all) < int(n) {
			all = append(all, -1)
		}
	}
	return []tensor.Tensor{intTensor(all, shape...)}
}

func (f *fake) sizes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var s []int
	for _, r := range f.runs {
		s = append(s, r.rows)
	}
	return s
}

func intTensor(v []int64, shape ...int64) tensor.Tensor {
	data := make([]byte, 0, 8*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint64(data, uint64(x))
	}
	return tensor.Tensor{DType: tensor.Int64, Shape: shape, Data: data}
}

func ints(t tensor.Tensor) []int64 {
	var v []int64
	for i := 0; i+8 <= len(t.Data); i += 8 {
		v = append(v, int64(binary.LittleEndian.Uint64(t.Data[i:])))
	}
	return v
}

var sigA, sigB = &tensor.Signature{Name: "a", Steady: true}, &tensor.Signature{Name: "b"}

// column is an entry of sigA with one int64 a row.
func column(v ...int64) *Entry {
	return &Entry{Signature: sigA, Inputs: []tensor.Tensor{intTensor(v, int64(len(v)), 1)}}
}

// checkPlusOne fails unless the answer is the entry's input plus one.
func checkPlusOne(t testing.TB, e *Entry, a *Answer) {
	t.Helper()
	in, out := ints(e.Inputs[0]), ints(a.Outputs[0])
	for i := range in {
		in[i]++
	}
	if !slices.Equal(in, out) || !slices.Equal(e.Inputs[0].Shape, a.Outputs[0].Shape) {
		t.Errorf("answer %v %v, want %v %v", a.Outputs[0].Shape, out, e.Inputs[0].Shape, in)
	}
}

// rig is a batcher under test in fake time.
type rig struct {
	*Batcher
	t    *testing.T
	fake *fake
	wg   sync.WaitGroup
}

// within runs a test in a bubble of fake time, and checks at the end that every result was freed.
func within(t *testing.T, cfg Config, instances int, limit *Limiter, setup func(*fake), test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		if setup != nil {
			setup(f)
		}
		b, err := New(cfg, f.instances(instances), limit, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Batcher: b, t: t, fake: f}
		test(r)
		r.wg.Wait()
		b.Close()
		if n := f.unfreed.Load(); n != 0 {
			t.Errorf("%d results were not freed", n)
		}
		if s := b.Stats(); s.Entries != 0 || s.Rows != 0 || s.Queues != 0 || s.Busy != 0 {
			t.Errorf("something is left: %+v", s)
		}
	})
}

// call is one Do under way.
type call struct {
	answer *Answer
	err    error
	took   time.Duration
	done   chan struct{}
}

// send calls Do in a goroutine, checks and frees the answer, and returns once nothing moves any more.
func (r *rig) send(e *Entry) *call { return r.sendCtx(context.Background(), e) }

func (r *rig) sendCtx(ctx context.Context, e *Entry) *call {
	c := &call{done: make(chan struct{})}
	start := time.Now()
	r.wg.Go(func() {
		defer close(c.done)
		c.answer, c.err = r.Do(ctx, e)
		c.took = time.Since(start)
		if c.err == nil && r.fake.makes == nil {
			checkPlusOne(r.t, e, c.answer)
		}
		c.answer.Free()
		c.answer.Free()
	})
	synctest.Wait()
	return c
}

func (r *rig) wantSizes(want ...int) {
	r.t.Helper()
	if got := r.fake.sizes(); !slices.Equal(got, want) {
		r.t.Errorf("batches of %v rows, want %v", got, want)
	}
}

// withArena gives the entry memory of its own to be retained. The returned check, to be called when the batcher is done
// with it and nobody takes new arenas from the pool, fails unless the caller's reference is the only one left.
func withArena(t testing.TB, e *Entry) (check func()) {
	a := tensor.NewArena()
	e.Arena = a
	return func() {
		t.Helper()
		if freed := mayFree(a); !freed {
			t.Error("the arena was freed once too often")
		} else if mayFree(a) {
			t.Error("the arena is still retained")
		}
	}
}

func mayFree(a *tensor.Arena) (ok bool) {
	defer func() { ok = recover() == nil }()
	a.Free()
	return
}
