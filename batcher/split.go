package batcher

import (
	"slices"
	"time"

	"shoal/tensor"
)

// split is a task whose rows run in several batches. Batcher.mu guards it while one of them may be running or the rest is queued.
// Afterwards the worker that ended the last piece owns it.
type split struct {
	since     time.Time // when the first piece was taken
	running   int       // pieces that were taken and have not ended
	pieces    []piece
	err       error // why the task fails; the first error is kept
	unbatched bool  // the pieces cannot be joined: the task must run unbatched
}

type piece struct {
	from   int
	answer *Answer
}

// drop frees the pieces that have ended.
func (s *split) drop() {
	for _, p := range s.pieces {
		p.answer.Free()
	}
	s.pieces = nil
}

// join copies the pieces, which hold all rows, into one answer with memory of its own, and frees them. If the pieces differ in
// more than their rows, ok is false and nothing is done.
func (s *split) join() (a *Answer, ok bool) {
	slices.SortFunc(s.pieces, func(a, b piece) int { return a.from - b.from })
	first := s.pieces[0].answer
	a = &Answer{Outputs: make([]tensor.Tensor, len(first.Outputs)), Queue: first.Queue}
	for k := range a.Outputs {
		shape := slices.Clone(first.Outputs[k].Shape)
		for _, p := range s.pieces[1:] {
			o := &p.answer.Outputs[k]
			if o.DType != first.Outputs[k].DType || !slices.Equal(o.Shape[1:], shape[1:]) {
				return nil, false
			}
			shape[0] += o.Shape[0]
		}
		a.Outputs[k] = tensor.Tensor{DType: first.Outputs[k].DType, Shape: shape}
	}
	arena := tensor.NewArena()
	a.owner = arena
	for k := range a.Outputs {
		if a.Outputs[k].DType == tensor.String {
			s.joinStrings(&a.Outputs[k], k, arena)
		} else {
			s.joinData(&a.Outputs[k], k, arena)
		}
	}
	for _, p := range s.pieces {
		a.BatchRows = max(a.BatchRows, p.answer.BatchRows)
		a.BatchSize = max(a.BatchSize, p.answer.BatchSize)
	}
	s.drop()
	return a, true
}

func (s *split) joinData(out *tensor.Tensor, k int, arena *tensor.Arena) {
	size := 0
	for _, p := range s.pieces {
		size += len(p.answer.Outputs[k].Data)
	}
	out.Data = arena.Bytes(size)[:0]
	for _, p := range s.pieces {
		out.Data = append(out.Data, p.answer.Outputs[k].Data...)
	}
}

func (s *split) joinStrings(out *tensor.Tensor, k int, arena *tensor.Arena) {
	size, n := 0, 0
	for _, p := range s.pieces {
		for _, v := range p.answer.Outputs[k].Strings {
			size += len(v)
		}
		n += len(p.answer.Outputs[k].Strings)
	}
	data := arena.Bytes(size)[:0]
	out.Strings = make([][]byte, 0, n)
	for _, p := range s.pieces {
		for _, v := range p.answer.Outputs[k].Strings {
			at := len(data)
			data = append(data, v...)
			out.Strings = append(out.Strings, data[at:len(data):len(data)])
		}
	}
}

// finishPiece ends one piece of a split task. An error fails the whole task: rows that are still queued do not run. The last
// piece to end ends the task.
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

// finishSplit ends a split task of which nothing is queued or running.
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
		w.runUnbatched(t)
		return
	}
	t.arena.Free()
	t.deliver(nil, s.err)
}
