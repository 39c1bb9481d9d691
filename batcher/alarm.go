package batcher

import (
	"sync"
	"time"
)

// alarm is a timer of a batcher. One goes off when the next batch becomes due by its age, another when a run becomes overdue.
// Batcher.mu guards it.
type alarm struct {
	ring  func()
	timer *time.Timer
	at    time.Time      // zero: not set
	rings sync.WaitGroup // calls of ring that are pending or running
}

// set makes the alarm go off at that time, unless it is set to an earlier one. A zero time sets nothing.
func (a *alarm) set(at time.Time) {
	if at.IsZero() || (!a.at.IsZero() && !at.Before(a.at)) {
		return
	}
	a.at = at
	if a.timer == nil {
		a.rings.Add(1)
		a.timer = time.AfterFunc(time.Until(at), a.ring)
		return
	}
	if !a.timer.Reset(time.Until(at)) {
		a.rings.Add(1)
	}
}

// stop ends the alarm; it must not be set again.
func (a *alarm) stop() {
	if a.timer != nil && a.timer.Stop() {
		a.rings.Done()
	}
}

// onAlarm wakes a worker for the batch that has become due. If all are busy, the first that ends its run finds the batch.
func (b *Batcher) onAlarm() {
	defer b.alarm.rings.Done()
	now := time.Now()
	var w *worker
	b.mu.Lock()
	b.backlog.late.observe(float64(now.Sub(b.alarm.at)))
	b.alarm.at = time.Time{}
	if !b.closing && len(b.idle) > 0 && b.waking == 0 {
		q, _, until := b.backlog.next(now)
		if q != nil {
			w = b.wake()
		} else {
			b.alarm.set(until)
		}
	}
	b.mu.Unlock()
	b.start(w)
}
