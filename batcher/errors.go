package batcher

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrQueueFull is what every *QueueFullError is, for errors.Is.
var ErrQueueFull = errors.New("the batching queue is full")

// ErrClosed is returned for an entry that arrives after Close was called.
var ErrClosed = status.Error(codes.Unavailable, "the model version is being unloaded and takes no new requests")

var (
	errDeadlineBefore = status.Error(codes.DeadlineExceeded, "the deadline passed before the request was queued for batching")
	errDeadlineQueued = status.Error(codes.DeadlineExceeded, "the deadline passed while the request was waiting in the batching queue; it was not run")
	errDeadlineRun    = status.Error(codes.DeadlineExceeded, "the deadline passed while the request was being run")
)

// QueueFullError is returned when there is no room for an entry (UNAVAILABLE).
type QueueFullError struct {
	Reason string        // which bound is reached, and the setting to change
	After  time.Duration // when trying again may help, estimated from recent runs
}

// Error is the reason, in TensorFlow Serving's words where it has the same bound.
func (e *QueueFullError) Error() string {
	return "The batch scheduling queue to which this task was submitted is full; " + e.Reason
}

// Is makes errors.Is(err, ErrQueueFull) true.
func (e *QueueFullError) Is(target error) bool { return target == ErrQueueFull }

// GRPCStatus is the error as gRPC sends it.
func (e *QueueFullError) GRPCStatus() *status.Status { return status.New(codes.Unavailable, e.Error()) }

// RetryAfter is After, for servers that give their clients a hint.
func (e *QueueFullError) RetryAfter() time.Duration { return e.After }

// ErrLate is what every *LateError is, for errors.Is.
var ErrLate = errors.New("the latency objective cannot be met")

// LateError is returned for an entry that was shed without a run, because its answer would have missed the latency objective. It
// is UNAVAILABLE and not DEADLINE_EXCEEDED: the client's own deadline has not passed, nothing was run, and another replica may
// have room. Load balancers and retry policies understand UNAVAILABLE (and HTTP's 503) in this way.
type LateError struct {
	Objective time.Duration
	After     time.Duration // when trying again may help, estimated from recent runs

	status *status.Status // shared by many errors, because rejecting must be cheap; nil: GRPCStatus makes it
}

func lateStatus(objective time.Duration) *status.Status {
	return status.Newf(codes.Unavailable, "the server is too busy to answer within its latency objective of %v; the request was not run "+
		"(--latency_objective)", objective)
}

func (e *LateError) Error() string { return e.GRPCStatus().Message() }

// Is makes errors.Is(err, ErrLate) true.
func (e *LateError) Is(target error) bool { return target == ErrLate }

// GRPCStatus is the error as gRPC sends it.
func (e *LateError) GRPCStatus() *status.Status {
	if e.status == nil {
		return lateStatus(e.Objective)
	}
	return e.status
}

// RetryAfter is After, for servers that give their clients a hint.
func (e *LateError) RetryAfter() time.Duration { return e.After }

func (c *Config) tooLarge(rows int) error {
	remedy := "raise max_batch_size"
	if !c.Split {
		remedy += "; with enable_large_batch_splitting the batches that are run can stay at max_execution_batch_size"
	}
	return status.Errorf(codes.InvalidArgument, "Task size %d is larger than maximum input batch size %d; %s",
		rows, c.MaxTaskRows, remedy)
}

func panicked(v any) error {
	return status.Error(codes.Internal, fmt.Sprintf("running the batch panicked: %v", v))
}

// blamesInput reports whether an input can have caused the failure of a batch. If not, the entries would fail alone too, and
// running them again is useless.
func blamesInput(err error) bool {
	switch status.Code(err) {
	case codes.Canceled, codes.DeadlineExceeded, codes.Unavailable:
		return false
	}
	return true
}
