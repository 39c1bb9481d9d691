package batcher

import (
	"time"

	"shoal/tensor"
)

// item is what a batch holds of a task: rows [from, to).
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

// fill takes up to limit rows from the head of the queue; a task that may not be cut is left for the next batch if it
// does not fit, unless it is the first. Expired tasks are ended on the way and never run. The tasks' arenas are retained:
// the caller who still waits holds a reference, so they are alive here.
func (bl *backlog) fill(items []item, q *queue, limit int, now time.Time) []item {
	rows, whole := 0, limit == bl.cfg.MaxExecutionBatchSize || q.alone
	for q.head != nil && rows < limit {
		t := q.head
		if t.expired(now) {
			bl.expire(t)
			continue
		}
		n := t.rows - t.taken
		if !q.alone && n > limit-rows {
			if bl.cfg.splittable(t.rows) {
				n = limit - rows
			} else if rows > 0 {
				break
			}
		}
		items = append(items, bl.take(t, n, now))
		rows += n
		if q.alone {
			break
		}
	}
	if q.head != nil {
		q.batches--
		q.outdated = q.outdated || !whole
	}
	return items
}

// take takes the next n rows of the task at the head of its queue.
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
	bl.rows -= n
	if t.taken == t.rows {
		bl.unlink(t)
	}
	return it
}

// expire ends a queued task whose deadline has passed. Where some of it is being run, the last of these runs does.
func (bl *backlog) expire(t *task) { bl.end(t, errDeadlineQueued) }

// end takes a queued task out and gives it this error, with the last of its runs where some of it is being run.
func (bl *backlog) end(t *task, err error) {
	bl.remove(t)
	if s := t.split; s != nil {
		s.err = err
		if s.running > 0 {
			return
		}
		s.drop()
		t.arena.Free()
	}
	t.deliver(nil, err)
}

// markUnbatched makes all entries of a signature run alone from now on, those that wait included, and reports whether
// that is news.
func (bl *backlog) markUnbatched(sig *tensor.Signature) bool {
	if _, ok := bl.unbatched[sig]; ok {
		return false
	}
	bl.unbatched[sig] = struct{}{}
	for key, q := range bl.queues {
		if key.sig != sig {
			continue
		}
		for q.head != nil {
			bl.setAlone(q.head)
		}
		delete(bl.queues, key)
	}
	return true
}

// recountAll has the batches of every queue counted again: their size has changed.
func (bl *backlog) recountAll() {
	for _, q := range bl.active {
		q.outdated = true
	}
}

// setAlone moves a queued task to those that run alone. What was already run of it is of no use: it is dropped here, or
// by the last of the runs that are still going on.
func (bl *backlog) setAlone(t *task) {
	bl.remove(t)
	if s := t.split; s != nil {
		if s.running > 0 {
			s.unbatched = true
			return
		}
		s.drop()
		t.arena.Free()
		t.split, t.taken = nil, 0
	}
	t.alone = true
	bl.push(&bl.alone, t)
}
