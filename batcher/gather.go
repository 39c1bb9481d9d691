package batcher

import "runtime"

const (
	// crowd is how many entries have to arrive, on average, in the time of a run for a worker to look out for more.
	crowd = 3
	// turns bounds how often a worker lets everybody else go first; after quietTurns without a new row it is done.
	turns, quietTurns = 8, 2
)

// gather lets those go first who can still add to the batch that is about to be formed: the callers who were just answered,
// and the requests that have arrived but were not read or not decoded. A worker that did not give way would take what
// little is there, keep its processor through the run, and find as little the next time; on a busy machine most of the
// time would go into the fixed cost of small batches.
//
// It ends at once when there is a batch worth running, and soon when nothing more comes: no clock is waited for. With few
// entries about there is nothing to gain, and it costs next to nothing.
func (w *worker) gather() {
	for turn, quiet, before := 0, 0, 0; turn < turns && quiet < quietTurns; turn++ {
		rows, enough, crowded := w.b.gathered()
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

// gathered is how many rows wait, whether a batch of them needs no more, and whether several entries arrive in the time that so
// many run.
func (b *Batcher) gathered() (rows int, enough, crowded bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backlog.rows, b.backlog.rows >= b.cfg.EfficientRows, b.crowded()
}

// crowded tells whether several entries arrive in the time that what waits runs. Called with mu held.
func (b *Batcher) crowded() bool {
	return b.backlog.pace.entries()*b.speed.latency(b.backlog.rows).Seconds() >= crowd
}
