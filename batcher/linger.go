package batcher

import "runtime"

const (
	// crowd is how many entries have to arrive, on average, in the time of a run for a worker to look out for more.
	crowd = 3
	// turns bounds how often a worker lets everybody else go first; after quietTurns without a new row it is done.
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

// lingerMore is how many rows wait, whether a batch of them needs no more, and whether several entries arrive in the time that so
// many run.
func (b *Batcher) lingerMore() (rows int, enough, crowded bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backlog.rows, b.backlog.rows >= b.cfg.EfficientRows, b.crowded()
}

// crowded tells whether several entries arrive in the time that what waits runs. Called with mu held.
func (b *Batcher) crowded() bool {
	return b.backlog.pace.entries()*b.speed.latency(b.backlog.rows).Seconds() >= crowd
}
