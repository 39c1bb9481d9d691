package batcher

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// task is an entry in progress. The caller of Do owns it until it is admitted. From then on it is in a queue, with the workers
// that run its rows, or answered. The first to change state from pending decides its end: the worker with the answer, or the
// caller who leaves.
type task struct {
	sig       *tensor.Signature
	inputs    []tensor.Tensor
	arena     *tensor.Arena
	trace     any
	arrived   time.Time
	deadline  time.Time // the earlier of the entry's and the context's; zero: none
	timed     bool      // the deadline is the entry's own: ctx does not end at it
	rows      int       // 1 for an entry without rows
	bytes     int64     // of the inputs; 0 if they are not bounded
	unbatched bool      // it runs alone, without padding
	giant     bool      // see giant.go
	compares  bool      // Entry.Comparison
	class     int       // of Priorities; 0 is the highest
	leaves    time.Time // when it leaves the queue unless a part of it has run; zero: at its deadline

	// Guarded by Batcher.mu, as is split.
	queue      *queue // nil: in none
	next, prev *task
	order      uint64 // of arrival
	taken      int    // rows that left the queue
	split      *split // nil unless the rows left it in more than one piece

	state atomic.Int32
	done  chan outcome // of capacity 1, so that the worker never waits for the caller
	timer *time.Timer
}

const (
	pending int32 = iota
	answered
	abandoned // the caller has left
)

type outcome struct {
	answer *Answer
	err    error
}

func (b *Batcher) newTask(ctx context.Context, e *Entry, now time.Time) *task {
	t, _ := b.tasks.Get().(*task)
	if t == nil {
		t = &task{done: make(chan outcome, 1)}
	}
	t.sig, t.inputs, t.arena, t.trace, t.arrived = e.Signature, e.Inputs, e.Arena, e.Trace, now
	t.rows, t.unbatched = measure(e, b.cfg.PadVariableLength)
	t.compares = e.Comparison
	t.unbatched = t.unbatched || t.compares
	t.bytes = b.cfg.Memory.measure(e.Inputs)
	t.deadline, t.timed = e.Deadline, !e.Deadline.IsZero()
	if d, ok := ctx.Deadline(); ok && (!t.timed || !d.After(t.deadline)) {
		t.deadline, t.timed = d, false
	}
	t.class, t.leaves = b.cfg.Priorities.class(e.Priority), time.Time{}
	if d := b.cfg.Priorities.queueTimeout(t.class, e.QueueTimeout); d > 0 {
		t.leaves = now.Add(d)
	}
	t.taken, t.split = 0, nil
	t.state.Store(pending)
	return t
}

// recycle lets the task be used again. Nobody else may hold it: it was never admitted, or left its queue before any of it was
// taken, or its outcome was received.
func (b *Batcher) recycle(t *task) {
	t.sig, t.inputs, t.arena, t.trace, t.split = nil, nil, nil, nil, nil
	b.tasks.Put(t)
}

// measure returns the number of rows, and whether the entry has to run unbatched: because it asks for it, because its inputs
// differ in dimension 0, because it has no rows, or because it has no element to pad it with.
func measure(e *Entry, padded bool) (rows int, unbatched bool) {
	for i := range e.Inputs {
		s := e.Inputs[i].Shape
		switch {
		case len(s) == 0 || s[0] == 0:
			return 1, true
		case i == 0:
			rows = int(s[0])
		case int(s[0]) != rows:
			return 1, true
		}
		if padded {
			for _, d := range s[1:] {
				unbatched = unbatched || d == 0
			}
		}
	}
	return max(rows, 1), unbatched || e.Unbatched || len(e.Inputs) == 0
}

// expired returns an error if the deadline of a queued task, or its time in the queue, is over; otherwise nil.
func (t *task) expired(now time.Time) error {
	switch {
	case !t.deadline.IsZero() && !now.Before(t.deadline):
		return errDeadlineQueued
	case !t.leaves.IsZero() && t.taken == 0 && !now.Before(t.leaves):
		return errQueueTimeout
	}
	return nil
}

// deliver gives the caller the answer or the error; if the caller has left, it frees the answer. The task must not be used
// afterwards.
func (t *task) deliver(a *Answer, err error) {
	if t.state.CompareAndSwap(pending, answered) {
		t.done <- outcome{a, err}
		return
	}
	a.Free()
}

// await waits for the outcome of the caller's task, for its deadline, or for the end of ctx.
func (b *Batcher) await(ctx context.Context, t *task) (*Answer, error) {
	var late <-chan time.Time
	if !t.leaves.IsZero() && (t.deadline.IsZero() || t.leaves.Before(t.deadline)) {
		late = t.alarm(t.leaves)
	} else if t.timed {
		late = t.alarm(t.deadline)
	}
	var o outcome
	var info = EntryInfo{Signature: t.sig, Rows: t.rows, Arrived: t.arrived, Trace: t.trace}
	var again bool // the task may be used again
	for waits := true; waits; {
		waits = false
		select {
		case o = <-t.done:
			again = true
		case <-ctx.Done():
			o, again = b.leave(t, ctx.Err())
		case <-late:
			switch {
			case t.timed && !time.Now().Before(t.deadline):
				o, again = b.leave(t, context.DeadlineExceeded)
			case b.leaveQueue(t):
				o.err, again = errQueueTimeout, true
			default: // it is being run
				waits, late = true, nil
				if t.timed {
					late = t.alarm(t.deadline)
				}
			}
		}
	}
	if o.answer != nil {
		info.Queue, info.Run = o.answer.Queue, o.answer.Run
	} else {
		info.Queue = time.Since(t.arrived)
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	compares := t.compares
	if again {
		b.recycle(t)
	}
	if info.Err = o.err; !compares {
		b.obs.EntryDone(info)
	}
	return o.answer, o.err
}

// alarm sets the task's timer, which is made once.
func (t *task) alarm(at time.Time) <-chan time.Time {
	if t.timer == nil {
		t.timer = time.NewTimer(time.Until(at))
	} else {
		t.timer.Reset(time.Until(at))
	}
	return t.timer.C
}

// leaveQueue takes a task out of its queue, and reports false if a part of it has left already.
func (b *Batcher) leaveQueue(t *task) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.queue == nil || t.taken > 0 {
		return false
	}
	b.backlog.remove(t)
	return true
}

// leave ends the caller's wait for a task that is not answered. Rows that are queued leave the queue and never run. Rows that are
// running are dropped when they end. If the answer comes first, it is the outcome all the same. again reports whether nobody else
// holds the task.
func (b *Batcher) leave(t *task, cause error) (o outcome, again bool) {
	b.mu.Lock()
	queued := t.queue != nil
	untouched := queued && t.taken == 0
	orphan := queued && !untouched && t.split.running == 0 // no worker will clean up
	o.err = left(cause, untouched)
	if queued {
		b.backlog.remove(t)
		if !untouched {
			t.split.err = o.err // it is incomplete and must not be joined
		}
	}
	b.mu.Unlock()

	switch {
	case orphan:
		t.split.drop()
		t.arena.Free()
	case !untouched && !t.state.CompareAndSwap(pending, abandoned):
		return <-t.done, true
	}
	return o, untouched || orphan
}

// left returns the error for a caller whose context ended or whose deadline passed.
func left(cause error, queued bool) error {
	switch {
	case !errors.Is(cause, context.DeadlineExceeded):
		return status.FromContextError(cause).Err()
	case queued:
		return errDeadlineQueued
	}
	return errDeadlineRun
}
