package batcher

import "time"

// view is what a policy sees of a queue that is not empty.
type view struct {
	now     time.Time
	oldest  time.Time // arrival of the entry at the head
	head    *task     // the entries in order of arrival; read only
	rows    int       // waiting
	full    bool      // the batch at the head cannot grow: it has maxRows, or the next entry did not fit
	maxRows int       // of a batch
	closing bool

	instances int
	rate      float64       // rows arriving per second, over all queues
	late      time.Duration // 99th percentile of how late the alarm goes off
	speed     *speed        // estimates of how long batches run; read only
}

// decision is what a queue does now: how many entries at its head are shed, and how many rows may leave. If no rows may, until is
// when to ask again if nothing happens before (zero: nothing is left).
type decision struct {
	shed   int
	rows   int
	reason Reason
	until  time.Time
}

// policy decides for one queue and keeps no state: the same view gives the same decision. It is asked when an entry arrives while
// an instance is idle, when an instance becomes idle, and at the time decision.until. Among the queues that may give a batch, the
// one with the oldest entry does.
type policy func(view) decision

// whenIdle lets a batch leave as soon as an instance is idle. So batches grow only while all instances are busy.
func whenIdle(v view) decision {
	return decision{rows: v.maxRows, reason: leaves(v, ReasonIdle)}
}

// afterTimeout is TensorFlow Serving's rule. A batch that cannot grow leaves at once. Another leaves when its oldest entry has
// waited for the timeout, or when the batcher is closing.
func afterTimeout(timeout time.Duration) policy {
	return func(v view) decision {
		until := v.oldest.Add(timeout)
		if v.full || v.closing || !v.now.Before(until) {
			return decision{rows: v.maxRows, reason: leaves(v, ReasonTimeout)}
		}
		return decision{until: until}
	}
}

func leaves(v view, otherwise Reason) Reason {
	switch {
	case v.full:
		return ReasonFull
	case v.closing:
		return ReasonClosing
	}
	return otherwise
}
