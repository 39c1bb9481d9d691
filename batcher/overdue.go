package batcher

import (
	"log/slog"
	"time"
)

const (
	// tolerance is how many times as long as expected a run may take before it is overdue, and leastTolerated what any run may.
	tolerance      = 10
	leastTolerated = 10 * brief
	// reportAfter is how long a run takes at least that is reported as overdue, and how long one of which nothing is known may take.
	reportAfter = time.Second
)

// watched is what is known of the batch that a worker runs. A run cannot be ended; what is done about one that takes much longer
// than expected is that it holds up nobody else: it loses its place, is reported, and its instance is taken out of service.
// Batcher.mu guards it.
type watched struct {
	since    time.Time // zero: nothing runs
	overdue  time.Time // when it is
	yielded  bool      // its place was given to others
	reported bool
	stuck    bool // its instance is out of service
}

// begin is called with mu held; 0 means that nothing is known of how long the run takes.
func (w *worker) begin(expected time.Duration, now time.Time) {
	patience := reportAfter
	if expected > 0 {
		patience = max(tolerance*expected, leastTolerated)
	}
	w.ended()
	w.watched = watched{since: now, overdue: now.Add(patience)}
	w.b.watch.set(w.overdue)
}

// ended is called with mu held when the batch at hand runs no more, once or more.
func (w *worker) ended() {
	stuck := w.stuck
	w.watched = watched{}
	if stuck {
		w.b.recount()
	}
}

// endedLate is ended for a run that may have been reported.
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

// due is when something is to be done about the run next; zero: nothing is.
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

// onWatch does what is due about the runs that are overdue.
func (b *Batcher) onWatch() {
	defer b.watch.rings.Done()
	now := time.Now()
	var lost outage
	var reported, stuck []any // for the log, as it may block
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
