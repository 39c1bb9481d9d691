package batcher

import (
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// run runs the batch at hand and ends all its items.
func (w *worker) run() {
	err := w.try(w.items, w.reason)
	if err != nil {
		if len(w.items) > 1 && blamesInput(err) {
			w.isolate(w.items)
		} else {
			w.fail(w.items, err)
		}
	}
	clear(w.items)
	clear(w.batch.Parts)
	clear(w.shapes)
}

// isolate ends items whose batch has failed. It runs each half, and again the halves of a half that fails, until only the items
// that cause an error have failed, each with its own. With n items of which k fail it takes O(k log n) runs and never more than
// 2n. If the first half succeeds, the second must fail and is divided without a run.
func (w *worker) isolate(items []item) {
	items = w.stillWanted(items)
	switch len(items) {
	case 0:
		return
	case 1:
		if err := w.try(items, ReasonRetry); err != nil {
			w.fail(items, err)
		}
		return
	}
	left, right := items[:len(items)/2], items[len(items)/2:]
	if w.halve(left) {
		w.isolate(right)
	} else {
		w.halve(right)
	}
}

// halve runs items and reports whether all of them succeeded. If they fail, it isolates those that cause it.
func (w *worker) halve(items []item) (innocent bool) {
	items = w.stillWanted(items)
	if len(items) == 0 {
		return true
	}
	err := w.try(items, ReasonRetry)
	switch {
	case err == nil:
		return true
	case len(items) == 1 || !blamesInput(err):
		w.fail(items, err)
	default:
		w.isolate(items)
	}
	return false
}

// stillWanted ends the items whose caller has left or whose deadline has passed, and returns the others.
func (w *worker) stillWanted(items []item) []item {
	now := time.Now()
	kept := items[:0]
	for _, it := range items {
		if t := it.task; t.expired(now) != nil || t.state.Load() == abandoned {
			w.finish(it, nil, errDeadlineRun)
		} else {
			kept = append(kept, it)
		}
	}
	return kept
}

// try runs the items as one batch. If it returns nil, all items are ended or moved to another device; if it returns an error,
// none is.
func (w *worker) try(items []item, reason Reason) error {
	start := w.taken
	batch := w.build(items)
	if reason == ReasonRetry {
		start = w.beginAgain(batch.Size)
	}
	result, used, err := w.call(batch)
	end := time.Now()
	if took := end.Sub(start); took >= reportAfter {
		w.endedLate(took)
	}
	// Ending the last piece of a split task may run the task again, which overwrites the scratch batch. So copy what is used below.
	sig, rows, size := batch.Signature, batch.Rows, batch.Size
	w.b.obs.BatchDone(BatchInfo{
		Signature: sig, Executor: w.exec, Reason: reason, Entries: len(items), Rows: rows, Size: size,
		Start: start, Run: end.Sub(start), Err: err, Traces: traces(items),
	})
	if err != nil {
		return w.failOver(items, err)
	}
	w.lastOK.rows, w.lastOK.run, w.lastOK.used = max(size, countRows(items)), end.Sub(start), used
	w.lastOK.batch = rows > 0

	asIs := rows == 0
	if !asIs && !follows(result, size) {
		w.outputsDoNotFollow(sig)
		if len(items) > 1 || items[0].task.split != nil || size != rows {
			result.Free()
			w.runEachUnbatched(items)
			return nil
		}
		asIs = true
	}
	answers := make([]Answer, len(items))
	if asIs {
		answers[0].Outputs, answers[0].owner = result.Outputs, share(result, 1)
	} else {
		divide(result, items, answers)
	}
	for i, it := range items {
		a := &answers[i]
		a.Queue, a.Run = w.taken.Sub(it.task.arrived), end.Sub(w.taken)
		a.BatchRows, a.BatchSize = max(rows, 1), max(size, 1)
		w.finish(it, a, nil)
	}
	return nil
}

// traces returns the traces of the items that have one.
func traces(items []item) (all []any) {
	for _, it := range items {
		if t := it.task.trace; t != nil {
			all = append(all, t)
		}
	}
	return all
}

// call calls Executor.Run. It turns a panic into an error, and returns the processor time that was used.
func (w *worker) call(batch *tensor.Batch) (r *tensor.Result, used time.Duration, err error) {
	defer func() {
		if v := recover(); v != nil {
			w.b.log.Error("running a batch panicked", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			r, err = nil, panicked(v)
		}
	}()
	r, used, err = w.meter.run(w.exec, batch)
	if err == nil && r == nil {
		err = status.Error(codes.Internal, "the executor gave neither a result nor an error")
	}
	return r, used, err
}

// beginAgain is begin for another run of items of the worker's batch.
func (w *worker) beginAgain(size int) (now time.Time) {
	now = time.Now()
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	w.begin(w.b.speed.latency(max(size, 1)), now)
	return now
}

// finish ends an item: the caller gets the answer or the error, unless it has left.
func (w *worker) finish(it item, a *Answer, err error) {
	t := it.task
	if t.split != nil {
		w.finishPiece(it, a, err, false)
		return
	}
	t.arena.Free()
	t.deliver(a, err)
}

func (w *worker) fail(items []item, err error) {
	for _, it := range items {
		w.finish(it, nil, err)
	}
}
