package batcher

import (
	"fmt"
	"runtime/debug"
	"time"

	"shoal/tensor"
)

// worker runs batches on one instance. It lives on the pool while there is work, or for one batch in a caller's goroutine, and is
// in Batcher.idle otherwise; only the goroutine that runs it touches it.
type worker struct {
	b     *Batcher
	exec  Executor
	limit *Limiter
	start func() // work, made once

	device    string // "": all instances are alike
	unlimited bool   // a run keeps that device busy, and no core
	again     bool   // the batch at hand failed on another device before

	items  []item // the batch at hand
	reason Reason
	taken  time.Time
	until  time.Time // when the run is expected to end; guarded by Batcher.mu
	lastOK struct {  // for the estimates, until mu is held next
		rows int
		run  time.Duration
	}

	turnstile *turnstile

	batch  tensor.Batch // scratch memory of build
	shapes []tensor.Shape
	dims   tensor.Shape
}

func newWorker(b *Batcher, x Executor) *worker {
	w := &worker{b: b, exec: x, limit: b.limit, turnstile: newTurnstile()}
	if p, ok := x.(Placed); ok {
		w.device = p.Device()
		if p.Unlimited() {
			w.limit, w.unlimited = nil, true
		}
	}
	w.start = w.work
	return w
}

// wake takes an idle worker that is then to be started. Called with mu held; somebody must be idle.
//
// One worker is woken for one batch. Entries that arrive before it has taken its batch join that batch, so nobody else is
// woken for them; when it has, and there is more, it wakes the next.
func (b *Batcher) wake() *worker {
	last := len(b.idle) - 1
	w := b.idle[last]
	b.idle = b.idle[:last]
	b.waking++
	b.workers.Add(1)
	return w
}

// start starts a woken worker (nil: nobody), without mu.
func (b *Batcher) start(w *worker) {
	if w == nil {
		return
	}
	if err := b.pool.Go(w.start); err != nil {
		panic("batcher: the pool refused a worker: " + err.Error()) // it has room for all of them and is never stopped
	}
}

// work takes one batch after the other until none is due. The place among the runs of all batchers comes first, and only
// then the batch: it goes on growing while the machine is busy.
func (w *worker) work() {
	for woken := true; ; woken = false {
		w.limit.acquire()
		if !w.next(woken) {
			return
		}
	}
}

// brief is the longest run that is left to the goroutine of a caller. It cannot be let go meanwhile.
const brief = 2 * time.Millisecond

// lends tells whether the caller who woke the worker is to run the batch, which saves waking another goroutine, mostly on another
// processor, and being woken by it: the run has to be brief, and far from the caller's deadline. Called with mu held.
func (w *worker) lends(t *task, now time.Time) bool {
	expected := w.b.backlog.latency(w.b.backlog.rows)
	return !w.unlimited && expected > 0 && expected <= brief && (t.deadline.IsZero() || t.deadline.Sub(now) > 10*brief)
}

// workHere is work in a caller's goroutine: one batch, and what comes after it is left to the pool.
func (w *worker) workHere() {
	defer endLoudly()
	if !w.limit.tryAcquire() {
		w.b.start(w)
		return
	}
	if !w.next(true) {
		return
	}
	b := w.b
	b.mu.Lock()
	w.learn()
	done := b.backlog.entries == 0 && len(b.service.moved) == 0
	if done {
		b.rest(w)
	} else {
		b.waking++
	}
	b.mu.Unlock()
	if done {
		b.workers.Done()
	} else {
		b.start(w)
	}
}

// endLoudly makes a panic end the process, as it does on the pool: a caller that recovers would leave an instance behind that is
// busy for ever. What an executor panics with does not come here.
func endLoudly() {
	if v := recover(); v != nil {
		stack := debug.Stack()
		go panic(fmt.Sprintf("batcher: %v\n%s", v, stack))
		select {}
	}
}

// next takes the batch that is due, runs it and returns true, or puts the worker where it waits. It gives the limiter's place back.
func (w *worker) next(woken bool) bool {
	b := w.b
	w.gather()
	now := time.Now()
	var other *worker
	b.mu.Lock()
	if woken {
		b.waking--
	}
	w.learn()
	serves := b.serves(w)
	due := serves && w.take(now)
	if (due || !serves) && len(b.idle) > 0 && b.waking == 0 {
		q, _, until := b.backlog.next(now)
		if q != nil {
			other = b.wake()
		} else {
			b.alarm.set(until)
		}
	}
	if !due {
		b.rest(w)
	}
	b.mu.Unlock()
	// From here on an idle worker may have been started again elsewhere and must not be touched.
	if !due {
		w.limit.release()
		b.workers.Done()
		b.start(other)
		return false
	}
	b.start(other)
	w.run()
	w.limit.release()
	return true
}

// learn takes the last run into the estimates. Called with mu held.
func (w *worker) learn() {
	if w.lastOK.run > 0 {
		w.b.speed.observe(w.lastOK.rows, w.lastOK.run)
		w.lastOK.run = 0
	}
}

// take takes the batch that is due, or sets the alarm for the one that will be. Called with mu held.
func (w *worker) take(now time.Time) bool {
	if w.takeMoved(now) {
		return true
	}
	for {
		q, d, until := w.b.backlog.next(now)
		if q == nil {
			w.b.alarm.set(until)
			return false
		}
		w.items = w.b.backlog.fill(w.items[:0], q, d.rows, now)
		if len(w.items) > 0 { // else all of them had expired
			w.reason, w.taken = d.reason, now
			w.until = now.Add(w.b.speed.latency(w.b.cfg.sizeFor(countRows(w.items))))
			return true
		}
	}
}

// build makes the batch of the items, in memory that the next build uses again.
func (w *worker) build(items []item) *tensor.Batch {
	t := items[0].task
	b := &w.batch
	b.Signature, b.Rows, b.Size, b.Parts = t.sig, 0, 0, b.Parts[:0]
	w.shapes, w.dims = w.shapes[:0], w.dims[:0]
	if t.alone {
		b.Parts = append(b.Parts, t.inputs)
		for i := range t.inputs {
			w.shapes = append(w.shapes, t.inputs[i].Shape)
		}
		b.Shapes = w.shapes
		return b
	}
	for _, it := range items {
		b.Parts = append(b.Parts, it.inputs())
		b.Rows += it.rows()
	}
	b.Size = w.b.cfg.sizeFor(b.Rows)
	dims := 0
	for i := range t.inputs {
		dims += len(t.inputs[i].Shape)
	}
	if cap(w.dims) < dims {
		w.dims = make(tensor.Shape, 0, dims)
	}
	for i := range t.inputs {
		at := len(w.dims)
		w.dims = append(w.dims, t.inputs[i].Shape...)
		shape := w.dims[at:len(w.dims):len(w.dims)]
		shape[0] = int64(b.Size)
		if w.b.cfg.PadVariableLength {
			for _, p := range b.Parts {
				for d, n := range p[i].Shape[1:] {
					shape[d+1] = max(shape[d+1], n)
				}
			}
		}
		w.shapes = append(w.shapes, shape)
	}
	b.Shapes = w.shapes
	return b
}

// inputs are the item's rows of the task's inputs.
func (it item) inputs() []tensor.Tensor {
	t := it.task
	if it.rows() == t.rows {
		return t.inputs
	}
	in := make([]tensor.Tensor, len(t.inputs))
	for i := range in {
		in[i] = t.inputs[i].Slice(int64(it.from), int64(it.to))
	}
	return in
}
