package batcher

import (
	"encoding/binary"
	"time"

	"shoal/tensor"
)

// queue holds the tasks that can run together: one signature, and inputs whose types and shapes differ in the number of rows
// only. They are in the order of their classes, and within a class in the order of arrival.
//
// Like TensorFlow Serving's queue it is a series of batches, of which the last is open. A task joins the open batch if it fits.
// If not, it is split over this batch and further ones if that is allowed, or else opens another batch. The queue only counts
// these batches. Which rows run together is decided when they leave, by the same rule from the head on, so that the room of tasks
// that have left is used.
type queue struct {
	key        queueKey
	unbatched  bool // each task runs alone
	head, tail *task
	last       []*task // of each class; nil: there is one class
	entries    int
	rows       int

	batches  int  // the open one included
	open     int  // rows in the open batch
	outdated bool // batches and open must be counted again, for example because a task has left from the middle
	slot     int  // index in backlog.active
	brief    int  // the largest batch of these shapes that was brief; 0: none was
}

type queueKey struct {
	sig   *tensor.Signature
	shape string
}

// keySize is enough for the key of most requests, so that the key needs no allocation.
const keySize = 128

// appendShapeKey appends what two entries must have in common to share a batch: types, and all dimensions except the first. If
// the other dimensions are padded, only types and ranks.
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

// room returns how many more rows the queue takes, by the strict count that TensorFlow Serving uses with splitting.
func (q *queue) room(c *Config) int {
	room := (c.MaxEnqueuedBatches - q.batches) * c.MaxExecutionBatchSize
	if q.batches > 0 {
		room += c.MaxExecutionBatchSize - q.open
	}
	return room
}

// push adds a task after those of its class, and reports whether that opened a batch. It counts the task as if it were the last
// one, which is exact if there is one class.
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

// recount counts the batches again if the count is outdated.
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

// unlink removes a task from any position.
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

// view returns the state of the queue for a policy. The queue must not be empty.
func (q *queue) view(now time.Time, bl *backlog) view {
	q.recount(bl.cfg)
	return view{
		now: now, oldest: q.oldest().arrived, head: q.head, rows: q.rows, maxRows: bl.cfg.MaxExecutionBatchSize,
		full:    q.batches > 1 || q.open >= bl.cfg.MaxExecutionBatchSize,
		closing: bl.closing, instances: *bl.instances, rate: bl.pace.rate(), late: time.Duration(bl.late.at), speed: bl.speed,
	}
}
