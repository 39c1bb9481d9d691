package batcher

import (
	"fmt"
	"time"

	"shoal/tensor"
)

// Refuses returns the error with which Do would reject any entry at this moment, or nil. Callers ask before they decode a large
// request, because decoding can cost more than running it. Each refusal is reported to the observer. sig may be nil. The priority
// is not known yet, so the highest one is assumed.
func (b *Batcher) Refuses(sig *tensor.Signature) error {
	now := time.Now()
	b.mu.Lock()
	err := b.Stranded()
	if err == nil {
		if err = b.backlog.full(); err != nil && b.backlog.evictable(0, nil) != nil {
			err = nil
		}
	}
	if err == nil {
		err = b.backlog.wouldBeLate(now, 1, 0, b.free(now))
	}
	b.mu.Unlock()
	if err != nil {
		b.obs.EntryRejected(sig, err)
	}
	return err
}

// free returns when the first instance is expected to be idle, now at the earliest, or zero if one is idle. Called with mu held.
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

// full returns an error that names the bound on all queues that is reached, or nil.
func (bl *backlog) full() error {
	if rows := bl.rows - bl.giantRows; rows >= bl.cfg.MaxQueuedRows {
		return bl.noRoom(fmt.Sprintf("currently %d rows are waiting and max_queued_rows is %d", rows, bl.cfg.MaxQueuedRows))
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

// drain estimates how long everything in the queues keeps the instances busy.
func (bl *backlog) drain() time.Duration {
	return bl.speed.drain(bl.rows, bl.cfg.MaxExecutionBatchSize, *bl.instances)
}

// wouldBeLate rejects rows on arrival that would miss the objective by more than half a batch, even if all instances, the first
// of them idle at free, ran nothing but what is queued before, in the largest batches. The policy would shed them later, after
// they had waited. The half batch is a margin: without it some rows of a short burst would be rejected that could still be in
// time.
//
// Rows of lower classes are not queued before.
func (bl *backlog) wouldBeLate(now time.Time, rows, class int, free time.Time) error {
	objective := bl.cfg.Objective
	if objective == 0 || free.IsZero() || bl.closing || bl.latency(rows) > objective {
		return nil
	}
	ahead := bl.rows - bl.levels.below(class)
	for _, q := range bl.active {
		ahead -= bl.rowsToShed(q, class, free)
	}
	most := max(1, bl.speed.fit(objective, bl.cfg.MaxExecutionBatchSize, likely))
	start := free.Add(bl.latency(most) * time.Duration(ahead/most) / time.Duration(*bl.instances))
	if start.Add(bl.latency(min(ahead%most+rows, most))).After(now.Add(objective + bl.latency(most)/2)) {
		return bl.tooLate()
	}
	return nil
}

// rowsToShed counts the rows at the head of a queue, of the class and higher ones, that will be shed once an instance is idle, at
// free.
func (bl *backlog) rowsToShed(q *queue, class int, free time.Time) (rows int) {
	if q.unbatched {
		return 0
	}
	for t := q.head; t != nil; t = t.next {
		took := bl.latency(t.rows)
		if t.class > class || t.taken > 0 || took > bl.cfg.Objective || !free.Add(took).After(t.arrived.Add(bl.cfg.Objective)) {
			break
		}
		rows += t.rows
	}
	return rows
}

// latency estimates the run of a batch of that many rows, with its padding.
func (bl *backlog) latency(rows int) time.Duration { return bl.speed.latency(bl.cfg.sizeFor(rows)) }
