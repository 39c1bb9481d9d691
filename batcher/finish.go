package batcher

import "time"

// finish ends an item: the caller gets the answer or the error, unless it has left.
func (w *worker) finish(it item, a *Answer, err error) {
	t := it.task
	if t.split != nil {
		w.finishPiece(it, a, err, false)
		return
	}
	t.arena.Free()
	t.deliver(a, err)
}

func (w *worker) fail(items []item, err error) {
	for _, it := range items {
		w.finish(it, nil, err)
	}
}

// finishPiece takes one piece of a divided task back. An error ends the whole task: what is still queued of it is not
// run. The last piece to come back ends the task.
func (w *worker) finishPiece(it item, a *Answer, err error, unbatched bool) {
	t, s := it.task, it.task.split
	w.b.mu.Lock()
	s.running--
	s.unbatched = s.unbatched || unbatched
	if s.err == nil {
		s.err = err
	}
	if a != nil {
		s.pieces = append(s.pieces, piece{it.from, a})
	}
	if t.queue != nil && s.err != nil {
		w.b.backlog.remove(t)
	}
	last := s.running == 0 && t.queue == nil
	w.b.mu.Unlock()
	if last {
		w.finishSplit(t)
	}
}

// finishSplit ends a divided task of which nothing is queued or running any more.
func (w *worker) finishSplit(t *task) {
	s := t.split
	if s.err == nil && t.state.Load() == abandoned {
		s.err = errDeadlineRun // nobody will read it
	}
	if s.err == nil && !s.unbatched {
		if a, ok := s.join(); ok {
			a.Queue, a.Run = s.since.Sub(t.arrived), time.Since(s.since)
			t.arena.Free()
			t.deliver(a, nil)
			return
		}
	}
	s.drop()
	if s.err == nil {
		t.split = nil
		w.aloneTask(t)
		return
	}
	t.arena.Free()
	t.deliver(nil, s.err)
}
