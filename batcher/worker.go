package batcher

import (
	"fmt"
	"runtime/debug"
	"time"

	"shoal/tensor"
)

// worker runs batches on one instance. It lives on the pool while there is work, or for one batch in a caller's
// goroutine, and is in Batcher.idle otherwise; only the goroutine that runs it touches it.
type worker struct {
	b     *Batcher
	exec  Executor
	place *place // nil: not limited
	start func() // work, made once

	device    string // "": all instances are alike
	unlimited bool   // a run keeps that device busy, and no core
	again     bool   // the batch at hand failed on another device before

	items  []item // the batch at hand
	queue  *queue // that it came from; nil: from another worker
	reason Reason
	taken  time.Time
	until  time.Time     // when the run is expected to end; guarded by Batcher.mu
	wants  time.Duration // the processor time that the next run is expected to use; 0: not known
	meter  meter
	watched
	lastOK struct { // for the estimates, until mu is held next
		rows      int
		run, used time.Duration
		batch     bool // of entries that share it, or may
	}

	turnstile *turnstile

	batch  tensor.Batch // scratch memory of build
	shapes []tensor.Shape
	dims   tensor.Shape
}

func newWorker(b *Batcher, x Executor) *worker {
	w := &worker{b: b, exec: x, turnstile: newTurnstile()}
	w.start = w.work
	if p, ok := x.(Placed); ok {
		w.device, w.unlimited = p.Device(), p.Unlimited()
	}
	if !w.unlimited {
		w.place = b.limit.newPlace(b.claim)
	}
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
	w.wants = b.nextCost()
	return w
}

// nextCost is the processor time that the next batch is expected to use. Called with mu held.
func (b *Batcher) nextCost() time.Duration {
	return b.cost.latency(b.cfg.sizeFor(max(1, min(b.backlog.rows, b.cfg.MaxExecutionBatchSize))))
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

// work takes one batch after the other until none is due. The place among the runs of all models comes first, and only then the
// batch: it goes on growing while the machine is busy.
func (w *worker) work() {
	w.place.acquire(w.wants)
	for woken := true; ; {
		switch w.next(woken, false) {
		case rests:
			return
		case outgrown:
			w.place.renew(0, w.wants)
			woken = true
		case hasRun:
			if !w.goOn() {
				return
			}
			woken = false
		}
	}
}

// goOn exchanges the place of the run that has ended for one of the next. It is false where nothing waits or is about to come, and
// the worker rests.
func (w *worker) goOn() bool {
	b := w.b
	b.mu.Lock()
	w.learn()
	if b.backlog.entries == 0 && len(b.service.moved) == 0 && !b.crowded() {
		w.place.release(w.meter.used)
		b.rest(w)
		b.mu.Unlock()
		b.workers.Done()
		return false
	}
	w.wants = b.nextCost()
	b.mu.Unlock()
	w.place.renew(w.meter.used, w.wants)
	return true
}

// farOff is how far a caller's deadline has to be for the caller to run a batch: so many times what the run uses that a machine on which
// it takes longer could not answer in time either.
const farOff = 100 * brief

// inlineEntries bounds the batches that a caller runs: where one fails, the caller finds out which entries made it fail, by up to twice as
// many brief runs.
const inlineEntries = 16

// runsInline tells whether the caller who woke the worker is to run the batch, which saves waking another goroutine, mostly on another
// processor, and being woken by it. The caller cannot be let go at its deadline then. So the run has to be brief for certain: how
// long it takes depends on nothing but the shapes of its inputs, and as many rows of these shapes have been brief. Called with mu held.
func (w *worker) runsInline(t *task, q *queue, now time.Time) bool {
	return t.sig.Steady && !q.unbatched && q.rows <= q.brief && !w.unlimited && kindOf(w.wants) == briefRun &&
		(t.deadline.IsZero() || t.deadline.Sub(now) > farOff)
}

// workInline is work in a caller's goroutine: one batch, and what comes after it is left to the pool.
func (w *worker) workInline() {
	defer endLoudly()
	b := w.b
	if !w.place.tryAcquire(w.wants) {
		b.start(w)
		return
	}
	switch w.next(true, true) {
	case rests:
		return
	case outgrown:
		w.place.release(0)
		b.start(w)
		return
	}
	b.mu.Lock()
	w.learn()
	w.place.release(w.meter.used)
	done := b.backlog.entries == 0 && len(b.service.moved) == 0
	if done {
		b.rest(w)
	} else {
		b.waking++
		w.wants = b.nextCost()
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

// step is what a worker did with its place.
type step int

const (
	rests    step = iota // nothing was due: it gave the place back and waits to be woken
	outgrown             // a batch is due that takes too long for the place: it needs another one, and counts as woken
	hasRun               // it ran a batch
)

// next takes the batch that is due and runs it, or puts the worker where it waits. inline says that a caller's goroutine runs it.
func (w *worker) next(woken, inline bool) step {
	b := w.b
	w.linger()
	now := time.Now()
	var other *worker
	b.mu.Lock()
	if woken {
		b.waking--
	}
	w.learn()
	did, serves := rests, b.serves(w)
	if serves {
		did = w.take(now, inline)
	}
	if (did == hasRun || !serves) && len(b.idle) > 0 && b.waking == 0 {
		q, _, until := b.backlog.next(now)
		if q != nil {
			other = b.wake()
		} else {
			b.alarm.set(until)
		}
	}
	switch did {
	case outgrown:
		b.waking++
	case rests:
		w.place.release(0)
		b.rest(w)
	}
	b.mu.Unlock()
	// From here on a worker that rests may have been started again elsewhere and must not be touched.
	b.start(other)
	switch did {
	case rests:
		b.workers.Done()
	case hasRun:
		w.run()
	}
	return did
}

// learn takes the last run into the estimates. Called with mu held.
func (w *worker) learn() {
	w.ended()
	w.b.used += w.meter.take()
	if w.lastOK.run > 0 {
		w.b.speed.observe(w.lastOK.rows, w.lastOK.run)
		w.b.cost.observe(w.lastOK.rows, w.lastOK.used)
		if q := w.queue; q != nil && w.lastOK.used > brief {
			q.brief = min(q.brief, w.lastOK.rows-1)
		} else if q != nil {
			q.brief = max(q.brief, w.lastOK.rows)
		}
		if q := w.queue; q != nil && w.lastOK.batch && w.b.cfg.FindBatchSize {
			took := w.lastOK.used
			if w.unlimited {
				took = w.lastOK.run // the device computes, and no processor
			}
			w.b.resize(q, w.lastOK.rows, took)
		}
		w.lastOK.run = 0
	}
}

// take takes the batch that is due, if it may be run here, or sets the alarm for the one that will be. Called with mu held.
func (w *worker) take(now time.Time, inline bool) step {
	w.queue = nil
	if inline && len(w.b.service.moved) > 0 {
		w.wants = 0
		return outgrown
	}
	if w.takeMoved(now) {
		w.meter.begin(0)
		return hasRun
	}
	b := w.b
	for {
		q, d, until := b.backlog.next(now)
		if q == nil {
			b.alarm.set(until)
			return rests
		}
		rows := min(q.rows, d.rows)
		cost := b.cost.latency(b.cfg.sizeFor(rows))
		if !w.place.covers(cost) || inline && (q.unbatched || rows > q.brief || q.entries > inlineEntries) {
			w.wants = cost
			return outgrown
		}
		w.items = b.backlog.fill(w.items[:0], q, d.rows, now)
		if len(w.items) > 0 { // else all of them had expired
			w.reason, w.taken, w.queue = d.reason, now, q
			if w.items[0].task.compares {
				w.reason = ReasonComparison
			}
			size := b.cfg.sizeFor(countRows(w.items))
			w.until = now.Add(b.speed.latency(size))
			w.meter.begin(b.cost.latency(size))
			w.begin(w.until.Sub(now), now)
			return hasRun
		}
	}
}
