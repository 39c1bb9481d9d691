package batcher

import (
	"fmt"
	"runtime/debug"
	"time"

	"shoal/tensor"
)

// worker runs batches on one instance. While there is work, it runs in a goroutine of the pool, or for one batch in a caller's
// goroutine. Otherwise it is in Batcher.idle. Only the goroutine that runs it uses it.
type worker struct {
	b     *Batcher
	exec  Executor
	place *place // nil: not limited
	start func() // work, made once

	device    string // "": all instances are alike
	unlimited bool   // a run uses that device and no core
	again     bool   // the current batch failed on another device before

	items  []item // the current batch
	queue  *queue // that it came from; nil: from another worker
	reason Reason
	taken  time.Time
	until  time.Time     // when the run is expected to end; guarded by Batcher.mu
	wants  time.Duration // the processor time that the next run is expected to use; 0: not known
	meter  meter
	watched
	lastOK struct { // the last run without an error, until learn adds it to the estimates
		rows      int
		run, used time.Duration
		batch     bool // it had rows: it was not unbatched
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

// wake takes an idle worker; the caller then starts it. Called with mu held. A worker must be idle.
//
// One worker is woken for one batch. Entries that arrive before it has taken its batch join that batch, so no other worker is
// woken for them. When the worker has taken its batch and more is due, it wakes the next worker.
func (b *Batcher) wake() *worker {
	last := len(b.idle) - 1
	w := b.idle[last]
	b.idle = b.idle[:last]
	b.waking++
	b.workers.Add(1)
	w.wants = b.nextCost()
	return w
}

// nextCost returns the processor time that the next batch is expected to use. Called with mu held.
func (b *Batcher) nextCost() time.Duration {
	return b.cost.latency(b.cfg.sizeFor(max(1, min(b.backlog.rows, b.cfg.MaxExecutionBatchSize))))
}

// start starts a woken worker; nil: there is none. Called without mu.
func (b *Batcher) start(w *worker) {
	if w == nil {
		return
	}
	if err := b.pool.Go(w.start); err != nil {
		panic("batcher: the pool refused a worker: " + err.Error()) // it has room for all of them and is never stopped
	}
}

// work takes one batch after the other until none is due. It first waits for a place among the runs of all models and then takes
// the batch, so that the batch grows while the machine is busy.
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

// goOn exchanges the place of the run that has ended for a place for the next run. It returns false, and the worker rests, if
// nothing waits and nothing is expected soon.
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

// farOff is the least time to its deadline with which a caller runs a batch itself. It is so much longer than the run that, if
// the run takes longer than this, the machine could not have answered in time anyway.
const farOff = 100 * brief

// inlineEntries bounds the entries of a batch that a caller runs itself. If such a batch fails, the caller also makes the runs
// that find which entries caused it: up to twice as many brief runs as entries.
const inlineEntries = 16

// runsInline reports whether the caller who woke the worker should run the batch itself, which saves two goroutine switches. The
// caller cannot leave at its deadline during the run. So the run must be brief for certain: its time depends only on the shapes
// of the inputs, and a run with as many rows of these shapes has been brief. Called with mu held.
func (w *worker) runsInline(t *task, q *queue, now time.Time) bool {
	return t.sig.Steady && !q.unbatched && q.rows <= q.brief && !w.unlimited && kindOf(w.wants) == briefRun &&
		(t.deadline.IsZero() || t.deadline.Sub(now) > farOff)
}

// workInline is work in a caller's goroutine, for one batch. It leaves later batches to the pool.
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

// endLoudly makes a panic end the process, as it does on the pool. If the caller recovered from it, the instance would be busy
// for ever. Panics of an executor do not come here; call turns them into errors.
func endLoudly() {
	if v := recover(); v != nil {
		stack := debug.Stack()
		go panic(fmt.Sprintf("batcher: %v\n%s", v, stack))
		select {}
	}
}

// step is the result of next.
type step int

const (
	rests    step = iota // nothing was due: the worker gave the place back and is idle
	outgrown             // the batch that is due needs another kind of place; the worker counts as woken
	hasRun               // the worker ran a batch
)

// next takes the batch that is due and runs it, or makes the worker idle. inline: a caller's goroutine runs the worker.
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
	// From here on a worker that rests may have been started again by another goroutine and must not be used.
	b.start(other)
	switch did {
	case rests:
		b.workers.Done()
	case hasRun:
		w.run()
	}
	return did
}

// learn adds the last run to the estimates. Called with mu held.
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

// take takes the batch that is due, if it may run here, or sets the alarm for the next one. Called with mu held.
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
		if len(w.items) > 0 { // otherwise all of them had expired
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
