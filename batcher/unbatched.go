package batcher

import (
	"log/slog"

	"shoal/tensor"
)

// Unbatch makes all entries of a signature run unbatched from now on, including those that wait. It reports whether that is a
// change.
func (b *Batcher) Unbatch(sig *tensor.Signature) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backlog.markUnbatched(sig)
}

// IsUnbatched reports whether entries of a signature run unbatched, because of Unbatch or because their outputs were seen not to
// follow the batch dimension.
func (b *Batcher) IsUnbatched(sig *tensor.Signature) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, unbatched := b.backlog.unbatched[sig]
	return unbatched
}

// markUnbatched is Unbatch with Batcher.mu held.
func (bl *backlog) markUnbatched(sig *tensor.Signature) bool {
	if _, ok := bl.unbatched[sig]; ok {
		return false
	}
	bl.unbatched[sig] = struct{}{}
	for key, q := range bl.queues {
		if key.sig != sig {
			continue
		}
		for q.head != nil {
			bl.moveToUnbatched(q.head)
		}
		delete(bl.queues, key)
	}
	return true
}

// moveToUnbatched moves a task from its queue to the unbatched entries. Results of rows that have run already are dropped: here,
// or by the last of the runs that are still going on.
func (bl *backlog) moveToUnbatched(t *task) {
	bl.remove(t)
	if s := t.split; s != nil {
		if s.running > 0 {
			s.unbatched = true
			return
		}
		s.drop()
		t.arena.Free()
		t.split, t.taken = nil, 0
	}
	t.unbatched = true
	bl.push(&bl.single, t)
}

// outputsDoNotFollow makes a signature unbatched because its outputs do not follow the batch dimension.
func (w *worker) outputsDoNotFollow(sig *tensor.Signature) {
	if w.b.Unbatch(sig) {
		w.b.log.Warn("outputs do not follow the batch dimension; requests of this signature run alone from now on",
			slog.String("signature", sig.Name))
		w.b.obs.SignatureUnbatched(sig)
	}
}

// runEachUnbatched runs each item of a batch alone, because the items should not have shared one.
func (w *worker) runEachUnbatched(items []item) {
	for _, it := range w.stillWanted(items) {
		if it.task.split != nil {
			w.finishPiece(it, nil, nil, true)
			continue
		}
		w.runUnbatched(it.task)
	}
}

// runUnbatched runs a task that is in no queue alone, without padding.
func (w *worker) runUnbatched(t *task) {
	t.unbatched = true
	only := []item{{t, 0, t.rows}}
	if err := w.try(only, ReasonRetry); err != nil {
		w.fail(only, err)
	}
}
