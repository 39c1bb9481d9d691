package batcher

import (
	"slices"
	"time"
)

// load is the work that waits and runs, in instance time, divided by what the instances in service do within the target. The target
// is the latency objective, or else the time of one largest batch: then 1 means one largest batch for each instance. It is 0 if
// nothing has run yet. Called with mu held.
func (b *Batcher) load(now time.Time) float64 {
	batch := b.cfg.MaxExecutionBatchSize
	target := b.cfg.Objective
	if target == 0 {
		target = b.speed.latency(batch)
	}
	if target == 0 || b.service.left == 0 {
		return 0
	}
	work := b.speed.drain(b.backlog.rows, batch, 1)
	for _, w := range b.all {
		if left := w.until.Sub(now); left > 0 && !slices.Contains(b.idle, w) {
			work += left
		}
	}
	return work.Seconds() / (target.Seconds() * float64(b.service.left))
}
