package batcher

// giantShare: an entry with more than 1/giantShare of MaxQueuedRows is a giant.
const giantShare = 4

// giantMark ends the key of a queue of giants.
const giantMark = 0xff

// isGiant reports whether a task alone would fill a large part of the queue. If entries of any size are accepted, such a task
// waits in a queue for giants. There it takes no room from other entries, and that queue's own bound lets one or a few giants
// wait at a time. Its batches take turns with those of other queues; in arrival order all of its batches would run before entries
// that came later.
func (bl *backlog) isGiant(t *task) bool {
	c := bl.cfg
	return !t.unbatched && c.MaxTaskRows == 0 && c.Objective == 0 && c.splittable(t.rows) && t.rows > max(c.MaxQueuedRows/giantShare, c.MaxExecutionBatchSize)
}

// addRows counts n more waiting rows; a negative n counts rows that wait no longer.
func (bl *backlog) addRows(t *task, n int) {
	bl.rows += n
	if bl.levels.many() {
		bl.levels.rows[t.class] += n
	}
	if t.giant {
		bl.giantRows += n
	}
}

// addEntries counts entries in the same way.
func (bl *backlog) addEntries(t *task, n int) {
	bl.entries += n
	if bl.levels.many() {
		bl.levels.entries[t.class] += n
	}
}
