package batcher

import (
	"time"

	"shoal/tensor"
)

// Reason is why a batch left its queue.
type Reason string

// The reasons. Retry marks the runs that find which entries made a batch fail, and those of a batch whose device failed.
const (
	ReasonFull      Reason = "full"
	ReasonIdle      Reason = "idle"
	ReasonTimeout   Reason = "timeout"
	ReasonDue       Reason = "due" // waiting for more would make an entry miss the objective
	ReasonClosing   Reason = "closing"
	ReasonUnbatched Reason = "unbatched"
	ReasonRetry     Reason = "retry"
	// ReasonComparison marks the run of an Entry.Comparison.
	ReasonComparison Reason = "comparison"
)

// BatchInfo describes one call of an executor.
type BatchInfo struct {
	Signature *tensor.Signature
	Executor  Executor // that was called
	Reason    Reason
	Entries   int
	Rows      int           // 0: one unbatched entry
	Size      int           // with padding
	Start     time.Time     // when the batch was taken from its queue
	Run       time.Duration // gather and Executor.Run
	Err       error
	Traces    []any // of the entries that have one; they are not answered before BatchDone returns
}

// EntryInfo describes one accepted entry at its end.
type EntryInfo struct {
	Signature *tensor.Signature
	Rows      int
	Arrived   time.Time
	Queue     time.Duration // of an entry without an answer: all the time from its arrival
	Run       time.Duration
	Err       error // nil if it was answered
	Trace     any   // the entry's own
}

// Observer receives events, so that metrics stay out of the core. Its methods are called outside every lock and from many
// goroutines. Requests wait while they run.
type Observer interface {
	// BatchDone is called after each call of an executor.
	BatchDone(BatchInfo)
	// EntryDone is called once for each entry that was accepted.
	EntryDone(EntryInfo)
	// EntryRejected is called for each entry that was not accepted: too large, queue full, deadline passed, closed. sig is nil if
	// the request was rejected before it was decoded.
	EntryRejected(sig *tensor.Signature, err error)
	// SignatureUnbatched is called once when a signature is found to have outputs that do not follow the batch dimension. From
	// then on its entries run unbatched.
	SignatureUnbatched(sig *tensor.Signature)
}

// NoObserver does nothing. Embed it to observe some of the events only.
type NoObserver struct{}

// BatchDone does nothing.
func (NoObserver) BatchDone(BatchInfo) {}

// EntryDone does nothing.
func (NoObserver) EntryDone(EntryInfo) {}

// EntryRejected does nothing.
func (NoObserver) EntryRejected(*tensor.Signature, error) {}

// SignatureUnbatched does nothing.
func (NoObserver) SignatureUnbatched(*tensor.Signature) {}
