package batcher

import (
	"encoding/binary"
	"time"

	"shoal/tensor"
)

// queue has the tasks that can run together: one signature, and inputs of one type and shape but for the rows. They are in the order of
// their classes, and those of one class in the order of arrival.
//
// Like TensorFlow Serving's it can be seen as batches of which the last is open: a task joins the open batch if it fits,
// is divided over it and further ones if that is allowed, or else opens another. The batches are only counted here;
// which rows travel together is found when they leave, by the same rule from the head on, so that the places of tasks
// that have left are used.
type queue struct {
	key        queueKey
	unbatched  bool // each task runs by itself
	head, tail *task
	last       []*task // of each class; nil: there is one class
	entries    int
	rows       int

	batches  int  // the open one included
	open     int  // rows in the open batch
	outdated bool // a task has left from the middle: batches and open are to be counted again
	slot     int  // index in backlog.active
	brief    int  // the largest batch of these shapes that was brief; 0: none was
}

type queueKey struct {
	sig   *tensor.Signature
	shape string
}

// keySize is enough for the key of most requests, which then needs no memory of its own.
const keySize = 128

// appendShapeKey appends what the shapes of two entries must have in common to be batched together: types and all
// dimensions but the first; only types and ranks where the others are padded.
func appendShapeKey(key []byte, inputs []tensor.Tensor, padded bool) []byte {
	for i := range inputs {
		in := &inputs[i]
		key = append(key, byte(in.DType))
		key = binary.AppendUvarint(key, uint64(len(in.Shape)))
		if padded || len(in.Shape) == 0 {
			continue
		}
		for _, d := range in.Shape[1:] {
			key = binary.AppendUvarint(key, uint64(d))
		}
	}
	return key
}

// room is how many rows the queue takes by the strict count of TensorFlow Serving with splitting.
func (q *queue) room(c *Config) int {
	room := (c.MaxEnqueuedBatches - q.batches) * c.MaxExecutionBatchSize
	if q.batches > 0 {
		room += c.MaxExecutionBatchSize - q.open
	}
	return room
}

// push adds a task behind those of its class and reports whether that opened a batch. The count takes it for the last one, which is
// exact without classes.
func (q *queue) push(t *task, c *Config) (opened bool) {
	before := q.batches
	t.queue, t.prev, t.next = q, q.after(t.class), q.head
	if t.prev == nil {
		q.head = t
	} else {
		t.next, t.prev.next = t.prev.next, t
	}
	if t.next == nil {
		q.tail = t
	} else {
		t.next.prev = t
	}
	if q.last != nil {
		q.last[t.class] = t
	}
	q.entries++
	q.rows += t.rows - t.taken
	q.count(t, c)
	return q.batches > before
}

// count adds a task to the count of batches.
func (q *queue) count(t *task, c *Config) {
	size, rows := c.MaxExecutionBatchSize, t.rows-t.taken
	if q.unbatched {
		size = 1
		rows = 1
	}
	if q.batches == 0 {
		q.batches, q.open = 1, 0
	}
	free := size - q.open
	switch {
	case rows <= free:
		q.open += rows
	case c.splittable(t.rows) && !q.unbatched:
		rows -= free
		more := (rows + size - 1) / size
		q.batches += more
		q.open = rows - (more-1)*size
	default:
		q.batches++
		q.open = rows
	}
}

// recount brings the count of batches up to date.
func (q *queue) recount(c *Config) {
	if !q.outdated {
		return
	}
	q.outdated = false
	q.batches, q.open = 0, 0
	for t := q.head; t != nil; t = t.next {
		q.count(t, c)
	}
}

// unlink takes a task out, wherever it is.
func (q *queue) unlink(t *task) {
	if q.last != nil && q.last[t.class] == t {
		if q.last[t.class] = t.prev; t.prev != nil && t.prev.class != t.class {
			q.last[t.class] = nil
		}
	}
	if t.prev == nil {
		q.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		q.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.queue, t.prev, t.next = nil, nil, nil
	q.entries--
	q.rows -= t.rows - t.taken
	if q.head == nil {
		q.batches, q.open, q.outdated = 0, 0, false
	}
}

// view is the queue as a policy sees it; the queue is not empty.
func (q *queue) view(now time.Time, bl *backlog) view {
	q.recount(bl.cfg)
	return view{
		now: now, oldest: q.oldest().arrived, head: q.head, rows: q.rows, maxRows: bl.cfg.MaxExecutionBatchSize,
		full:    q.batches > 1 || q.open >= bl.cfg.MaxExecutionBatchSize,
		closing: bl.closing, instances: *bl.instances, rate: bl.pace.rate(), late: time.Duration(bl.late.at), speed: bl.speed,
	}
}
