package batcher

import (
	"log/slog"
	"time"
)

const (
	// A run is overdue after tolerance times the expected time, but not before leastTolerated.
	tolerance      = 10
	leastTolerated = 10 * brief
	// reportAfter is the least time after which a run is reported as overdue. A run about which nothing is known is overdue after
	// it.
	reportAfter = time.Second
)

// watched is the state of the run that a worker is making. A run cannot be ended. If one takes much longer than expected, it must
// not hold up others: it loses its place, is reported, and its instance is taken out of service. Batcher.mu guards it.
type watched struct {
	since    time.Time // zero: nothing runs
	overdue  time.Time // when the run becomes overdue
	yielded  bool      // its place was given to others
	reported bool
	stuck    bool // its instance is out of service
}

// begin notes that a run begins. expected is 0 if nothing is known about how long it takes. Called with mu held.
func (w *worker) begin(expected time.Duration, now time.Time) {
	patience := reportAfter
	if expected > 0 {
		patience = max(tolerance*expected, leastTolerated)
	}
	w.ended()
	w.watched = watched{since: now, overdue: now.Add(patience)}
	w.b.watch.set(w.overdue)
}

// ended notes that the worker's batch runs no longer. It may be called more than once. Called with mu held.
func (w *worker) ended() {
	stuck := w.stuck
	w.watched = watched{}
	if stuck {
		w.b.recount()
	}
}

// endedLate is ended for a run that may have been reported; it then logs the end.
func (w *worker) endedLate(took time.Duration) {
	b := w.b
	b.mu.Lock()
	reported := w.reported
	w.ended()
	b.mu.Unlock()
	if reported {
		b.log.Info("the run that was overdue has ended", slog.Duration("took", took))
	}
}

// due returns when onWatch must next act on the run; zero: never.
func (w *worker) due() time.Time {
	switch {
	case w.since.IsZero() || w.stuck:
	case !w.yielded:
		return w.overdue
	case !w.reported:
		return later(w.overdue, w.since.Add(reportAfter))
	case w.b.cfg.StuckAfter > 0:
		return later(w.overdue, w.since.Add(w.b.cfg.StuckAfter))
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// onWatch acts on the runs that are overdue: it takes their places, reports them, and takes their instances out of service.
func (b *Batcher) onWatch() {
	defer b.watch.rings.Done()
	now := time.Now()
	var lost outage
	var reported, stuck []any // logged without mu, because the log may block
	b.mu.Lock()
	b.watch.at = time.Time{}
	for _, w := range b.all {
		for due := w.due(); !due.IsZero(); due = w.due() {
			if now.Before(due) {
				b.watch.set(due)
				break
			}
			running := now.Sub(w.since)
			switch {
			case !w.yielded:
				w.yielded = true
				w.place.giveUp(running)
			case !w.reported:
				w.reported = true
				reported = append(reported, slog.Duration("running", running))
			default:
				w.stuck = true
				lost = b.recount()
				stuck = append(stuck, slog.Duration("running", running))
			}
		}
	}
	b.mu.Unlock()
	lost.end()
	for _, running := range reported {
		b.log.Warn("a run is overdue and may never end", running)
	}
	for _, running := range stuck {
		b.log.Error("an instance is out of service until its run ends (--stuck_run_timeout)", running)
	}
}
