package batcher

import (
	"fmt"
	"time"

	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// backlog holds the queues and admits tasks to them. It has no goroutine and no lock; Batcher.mu guards it.
//
// Shapes come from clients, so the number of queues is bounded. A queue is made on first use. It is dropped when it is empty and
// another one needs its room.
type backlog struct {
	cfg        *Config
	policy     policy
	speed      *speed
	instances  *int // in service
	pace       pace
	late       tail // of the alarm, in nanoseconds
	lateStatus *status.Status
	closing    bool
	queues     map[queueKey]*queue
	active     []*queue // those with entries, in no order
	single     queue    // the unbatched entries
	unbatched  map[*tensor.Signature]struct{}
	entries    int
	rows       int
	giantRows  int // of rows
	arrivals   uint64
	levels     levels
}

func (bl *backlog) init(cfg *Config, s *speed, instances *int) {
	bl.cfg, bl.speed, bl.instances = cfg, s, instances
	switch {
	case cfg.Objective > 0:
		bl.policy = withinObjective(cfg.Objective, cfg)
		bl.lateStatus = lateStatus(cfg.Objective)
	case cfg.BatchTimeout > 0:
		bl.policy = afterTimeout(cfg.BatchTimeout)
	default:
		bl.policy = whenIdle
	}
	bl.queues = make(map[queueKey]*queue)
	bl.unbatched = make(map[*tensor.Signature]struct{})
	bl.levels.init(&cfg.Priorities)
	bl.single = *bl.newQueue(queueKey{})
	bl.single.unbatched = true
}

func (bl *backlog) newQueue(key queueKey) *queue {
	q := &queue{key: key}
	if n := bl.cfg.Priorities.Levels; n > 1 {
		q.last = make([]*task, n)
	}
	return q
}

// admit puts a task into its queue, or returns an error that says why there is no room for it. Entries of lower classes make room.
// free is when an instance is expected to be idle; zero: one is. opened reports whether the task did not fit into a batch that was
// already waiting.
func (bl *backlog) admit(t *task, shape []byte, free time.Time) (q *queue, opened bool, err error) {
	if err := bl.fullOf(t.class); err != nil {
		return nil, false, err
	}
	err = bl.full()
	for err != nil && bl.evict(t.class, nil) {
		err = bl.full()
	}
	if err != nil {
		return nil, false, err
	}
	if t.giant = bl.isGiant(t); t.giant {
		shape = append(shape, giantMark)
	}
	q = bl.find(t, shape)
	if limit := bl.cfg.MaxTaskRows; limit > 0 && !t.unbatched && t.rows > limit {
		return nil, false, bl.cfg.tooLarge(t.rows)
	}
	err = bl.room(q, t)
	for err != nil && bl.evict(t.class, q) {
		err = bl.room(q, t)
	}
	if err != nil {
		return nil, false, err
	}
	if !q.unbatched {
		if err := bl.wouldBeLate(t.arrived, t.rows, t.class, free); err != nil {
			return nil, false, err
		}
	}
	bl.arrivals++
	t.order = bl.arrivals
	bl.pace.observe(t.arrived, t.rows)
	return q, bl.push(q, t), nil
}

// find returns the task's queue, and makes it if there is none.
func (bl *backlog) find(t *task, shape []byte) *queue {
	if _, ok := bl.unbatched[t.sig]; ok {
		t.unbatched = true
	}
	if t.unbatched {
		return &bl.single
	}
	if q := bl.queues[queueKey{t.sig, string(shape)}]; q != nil {
		return q
	}
	if len(bl.queues) >= bl.cfg.MaxQueues && !bl.dropQueue() {
		t.unbatched = true
		return &bl.single
	}
	q := bl.newQueue(queueKey{t.sig, string(shape)})
	bl.queues[q.key] = q
	return q
}

// dropQueue drops an empty queue, and reports whether there was one.
func (bl *backlog) dropQueue() bool {
	for key, q := range bl.queues {
		if q.entries == 0 {
			delete(bl.queues, key)
			return true
		}
	}
	return false
}

// room checks the queue's own bound.
func (bl *backlog) room(q *queue, t *task) error {
	c := bl.cfg
	size, most, what := c.MaxExecutionBatchSize, c.MaxEnqueuedBatches, "max_enqueued_batches"
	rows := t.rows
	if q.unbatched { // as many as there would be of one row each
		size, most, rows, what = 1, size*most, 1, "max_execution_batch_size * max_enqueued_batches"
	}
	strict := c.Split && c.MaxTaskRows > 0 && !q.unbatched
	fits := func() bool {
		if strict {
			return rows <= q.room(c)
		}
		return q.batches < most || rows <= size-q.open
	}
	if fits() {
		return nil
	}
	if q.recount(c); fits() {
		return nil
	}
	if strict {
		return bl.noRoom(fmt.Sprintf("task size is %d but scheduling capacity is only %d "+
			"(num_enqueued_batches=%d, max_enqueued_batches=%d, open_batch_size=%d, max_execution_batch_size=%d); raise max_enqueued_batches",
			rows, q.room(c), q.batches, c.MaxEnqueuedBatches, q.open, size))
	}
	return bl.noRoom(fmt.Sprintf("currently %d batches enqueued and %s is %d; raise max_enqueued_batches", q.batches, what, most))
}

func (bl *backlog) push(q *queue, t *task) (opened bool) {
	if q.entries == 0 {
		q.slot = len(bl.active)
		bl.active = append(bl.active, q)
	}
	bl.addEntries(t, 1)
	bl.addRows(t, t.rows-t.taken)
	bl.cfg.Memory.add(t.bytes)
	return q.push(t, bl.cfg)
}

// remove takes a task out of its queue before its turn.
func (bl *backlog) remove(t *task) {
	t.queue.outdated = true
	bl.unlink(t)
}

func (bl *backlog) unlink(t *task) {
	q := t.queue
	bl.addEntries(t, -1)
	bl.addRows(t, t.taken-t.rows)
	bl.cfg.Memory.add(-t.bytes)
	q.unlink(t)
	if q.entries == 0 {
		last := len(bl.active) - 1
		bl.active[q.slot] = bl.active[last]
		bl.active[q.slot].slot = q.slot
		bl.active[last] = nil
		bl.active = bl.active[:last]
	}
}

// decide asks the policy about one queue that is not empty. It ends the entries that the policy sheds, so the queue may be empty
// afterwards.
func (bl *backlog) decide(q *queue, now time.Time) decision {
	if q.unbatched {
		return decision{rows: 1, reason: ReasonUnbatched}
	}
	d := bl.policy(q.view(now, bl))
	if d.shed > 0 {
		late := bl.tooLate()
		for range d.shed {
			bl.end(q.head, late)
		}
	}
	return d
}

// next finds the queue that gives the next batch. Of those that may give one, it is the queue whose first entry has the highest
// class and, within the class, is the oldest. If none may yet, q is nil and until is the first time at which one may; zero: all
// are empty.
func (bl *backlog) next(now time.Time) (q *queue, d decision, until time.Time) {
	for i := len(bl.active) - 1; i >= 0; i-- { // backwards: a queue that decide empties is replaced by the last one
		c := bl.active[i]
		if q != nil && bl.goesBefore(bl.first(q), bl.first(c)) {
			continue
		}
		cd := bl.decide(c, now)
		switch {
		case cd.rows > 0:
			q, d = c, cd
		case !cd.until.IsZero() && (until.IsZero() || cd.until.Before(until)):
			until = cd.until
		}
	}
	return q, d, until
}

// oldest returns the task that has waited longest, or nil.
func (bl *backlog) oldest() *task {
	var t *task
	for _, q := range bl.active {
		if o := q.oldest(); t == nil || o.order < t.order {
			t = o
		}
	}
	return t
}

// end takes a task out of its queue and ends it with this error. If parts of it are running, it ends with the last of these runs.
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

// recountAll marks the batches of every queue to be counted again, because the size of batches has changed.
func (bl *backlog) recountAll() {
	for _, q := range bl.active {
		q.outdated = true
	}
}
