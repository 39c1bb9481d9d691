package batcher

import (
	"fmt"
	"time"

	"shoal/tensor"
)

// Refuses tells whether an entry that came now would be refused whatever it holds: nil, or the error that Do would return. It is
// asked before a large request is decoded, which may well cost more than running it. Where it returns an error the observer is
// told of a rejected entry; sig may be nil.
func (b *Batcher) Refuses(sig *tensor.Signature) error {
	now := time.Now()
	b.mu.Lock()
	err := b.Stranded()
	if err == nil {
		err = b.backlog.full()
	}
	if err == nil {
		err = b.backlog.hopeless(now, 1, b.free(now))
	}
	b.mu.Unlock()
	if err != nil {
		b.obs.EntryRejected(sig, err)
	}
	return err
}

// free is when the first instance is expected to be idle, now at the earliest; zero where one is. Called with mu held.
func (b *Batcher) free(now time.Time) time.Time {
	if b.cfg.Objective == 0 || len(b.idle) > 0 {
		return time.Time{}
	}
	var first time.Time
	for _, w := range b.all {
		if b.serves(w) && (first.IsZero() || w.until.Before(first)) {
			first = w.until
		}
	}
	if first.Before(now) { // a run takes longer than it should
		return now
	}
	return first
}

// full says which bound on all that waits is reached.
func (bl *backlog) full() error {
	if bl.rows >= bl.cfg.MaxQueuedRows {
		return bl.noRoom(fmt.Sprintf("currently %d rows are waiting and max_queued_rows is %d", bl.rows, bl.cfg.MaxQueuedRows))
	}
	if reason := bl.cfg.Memory.full(); reason != "" {
		return bl.noRoom(reason)
	}
	return nil
}

func (bl *backlog) noRoom(reason string) error {
	return &QueueFullError{Reason: reason, After: bl.drain()}
}

func (bl *backlog) tooLate() *LateError {
	return &LateError{Objective: bl.cfg.Objective, After: bl.drain(), status: bl.lateStatus}
}

// drain is how long all that waits keeps the instances busy.
func (bl *backlog) drain() time.Duration {
	return bl.speed.drain(bl.rows, bl.cfg.MaxExecutionBatchSize, *bl.instances)
}

// hopeless refuses rows that could not be answered within the objective, nor half a batch later, even if the instances, the first of
// which is idle at free, did nothing but run what is before them in the largest batches there can be. The policy would give them
// up, or others in their place, after they have waited. To refuse without the half batch would cost some in a burst that passes.
func (bl *backlog) hopeless(now time.Time, rows int, free time.Time) error {
	objective := bl.cfg.Objective
	if objective == 0 || free.IsZero() || bl.closing || bl.latency(rows) > objective {
		return nil
	}
	ahead := bl.rows
	for _, q := range bl.active {
		ahead -= bl.doomed(q, free)
	}
	most := max(1, bl.speed.fit(objective, bl.cfg.MaxExecutionBatchSize, likely))
	start := free.Add(bl.latency(most) * time.Duration(ahead/most) / time.Duration(*bl.instances))
	if start.Add(bl.latency(min(ahead%most+rows, most))).After(now.Add(objective + bl.latency(most)/2)) {
		return bl.tooLate()
	}
	return nil
}

// doomed is the rows at the head of a queue that will be given up when an instance is idle, as nobody is before.
func (bl *backlog) doomed(q *queue, free time.Time) (rows int) {
	if q.alone {
		return 0
	}
	for t := q.head; t != nil; t = t.next {
		took := bl.latency(t.rows)
		if t.taken > 0 || took > bl.cfg.Objective || !free.Add(took).After(t.arrived.Add(bl.cfg.Objective)) {
			break
		}
		rows += t.rows
	}
	return rows
}

// latency is the estimate for a batch of that many rows, as it would be padded.
func (bl *backlog) latency(rows int) time.Duration { return bl.speed.latency(bl.cfg.sizeFor(rows)) }
