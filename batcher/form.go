package batcher

import (
	"time"

	"shoal/tensor"
)

// item is a task's part of a batch: its rows [from, to).
type item struct {
	task     *task
	from, to int
}

func (it item) rows() int { return it.to - it.from }

func countRows(items []item) (n int) {
	for _, it := range items {
		n += it.rows()
	}
	return n
}

// fill takes up to limit rows from the head of the queue. If it is the turn of the entry that has waited longest, it takes that
// one first. A task that may not be split and does not fit is left for the next batch, unless it is the first. fill ends tasks
// that have expired; they never run. It retains the tasks' arenas. They are alive, because a caller who still waits holds a
// reference.
func (bl *backlog) fill(items []item, q *queue, limit int, now time.Time) []item {
	whole := limit == bl.cfg.MaxExecutionBatchSize || q.unbatched
	if first := bl.first(q); first != q.head {
		items, whole = bl.fillFrom(first, items, q, limit, now), false
	}
	items = bl.fillFrom(q.head, items, q, limit, now)
	if len(items) > 0 {
		bl.levels.turn++
	}
	if q.head != nil {
		q.batches--
		q.outdated = q.outdated || !whole
	}
	return items
}

// fillFrom adds the rows of t and of the tasks after it to a batch of up to limit rows.
func (bl *backlog) fillFrom(t *task, items []item, q *queue, limit int, now time.Time) []item {
	if q.unbatched && len(items) > 0 {
		return items
	}
	rows := countRows(items)
	for next := t; t != nil && rows < limit; t = next {
		next = t.next
		if err := t.expired(now); err != nil {
			bl.end(t, err)
			continue
		}
		n := t.rows - t.taken
		if !q.unbatched && n > limit-rows {
			if bl.cfg.splittable(t.rows) {
				n = limit - rows
			} else if rows > 0 {
				break
			}
		}
		items = append(items, bl.take(t, n, now))
		rows += n
		if q.unbatched {
			break
		}
	}
	return items
}

// take takes the next n rows of a queued task.
func (bl *backlog) take(t *task, n int, now time.Time) item {
	it := item{t, t.taken, t.taken + n}
	if t.taken == 0 && t.arena != nil {
		t.arena.Retain()
	}
	if n < t.rows && t.split == nil {
		t.split = &split{since: now}
	}
	if t.split != nil {
		t.split.running++
	}
	t.taken += n
	t.queue.rows -= n
	bl.addRows(t, -n)
	if t.taken == t.rows {
		bl.unlink(t)
	} else if t.giant {
		bl.arrivals++
		t.order = bl.arrivals // the next turn is for the others
	}
	return it
}

// build makes the batch of the items, in memory that the next build reuses.
func (w *worker) build(items []item) *tensor.Batch {
	t := items[0].task
	b := &w.batch
	b.Signature, b.Rows, b.Size, b.Parts = t.sig, 0, 0, b.Parts[:0]
	w.shapes, w.dims = w.shapes[:0], w.dims[:0]
	if t.unbatched {
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

// inputs returns the item's rows of the task's inputs, without a copy.
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
