package batcher

// giantShare is the part of MaxQueuedRows from which on an entry is a giant.
const giantShare = 4

// giantMark ends the key of a queue of giants.
const giantMark = 0xff

// isGiant reports whether a task alone would fill much of the queue for its neighbours. Where entries of any size are accepted, one
// of so many rows waits in a queue of its own: it takes no room from the others, only one or a few of them wait at a time, by the
// bound that every queue has, and its batches take turns with those of the others, instead of coming first to its end since it
// came first.
func (bl *backlog) isGiant(t *task) bool {
	c := bl.cfg
	return !t.unbatched && c.MaxTaskRows == 0 && c.Objective == 0 && c.splittable(t.rows) && t.rows > max(c.MaxQueuedRows/giantShare, c.MaxExecutionBatchSize)
}

// addRows counts rows that begin or, if n is negative, end to wait.
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
