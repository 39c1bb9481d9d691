package batcher

import "runtime"

const (
	// crowd is how many entries have to arrive, on average, during a run before a worker lingers.
	crowd = 3
	// turns bounds how often a worker yields; after quietTurns without a new row it stops.
	turns, quietTurns = 8, 2
)

// linger yields the processor before a batch is formed, so that requests that are already on the machine can still join it:
// those that have arrived but are not read or decoded yet, and the next ones of callers who were just answered. Without it, a
// worker on a busy machine takes the few rows that wait, keeps the processor for the run, and finds few rows again: most of the
// time goes into the fixed cost of small batches.
//
// It returns at once if there are enough rows for an efficient batch, and soon if no more rows come. It waits for no clock. With
// few entries per run it does nothing.
func (w *worker) linger() {
	for turn, quiet, before := 0, 0, 0; turn < turns && quiet < quietTurns; turn++ {
		rows, enough, crowded := w.b.lingerMore()
		switch {
		case enough:
			return
		case !crowded:
			runtime.Gosched()
			return
		}
		w.turnstile.pass()
		if rows == before {
			quiet++
		} else {
			quiet = 0
		}
		before = rows
	}
}

// lingerMore returns how many rows wait, whether they are enough for an efficient batch, and whether several entries arrive in
// the time that a batch of them runs.
func (b *Batcher) lingerMore() (rows int, enough, crowded bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backlog.rows, b.backlog.rows >= b.cfg.EfficientRows, b.crowded()
}

// crowded reports whether several entries arrive in the time that a batch of all waiting rows runs. Called with mu held.
func (b *Batcher) crowded() bool {
	return b.backlog.pace.entries()*b.speed.latency(b.backlog.rows).Seconds() >= crowd
}
