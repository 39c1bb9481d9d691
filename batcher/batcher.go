// Package batcher coalesces requests: entries of one signature and shape wait in a queue, leave it as a batch when an
// instance is idle (or by the configured limits), run on the instance's executor, and each entry gets its rows of the
// outputs back. It knows no TensorFlow and no HTTP; an executor can be anything that runs a tensor.Batch.
package batcher

import (
	"context"
	"time"

	"shoal/tensor"
)

// Executor runs batches on one instance of a model; it is called by one goroutine at a time. The inputs may be read
// until Run returns, the outputs until the result is freed.
type Executor interface {
	Run(b *tensor.Batch) (*tensor.Result, error)
}

// Entry is one request for a signature.
type Entry struct {
	Signature *tensor.Signature
	Inputs    []tensor.Tensor // in the signature's order, memory of Arena
	Arena     *tensor.Arena   // may be nil; the batcher retains it for as long as it reads the inputs
	Deadline  time.Time       // zero: none
	Unbatched bool            // run alone, exactly as it is
}

// Answer is what an entry gets back. Free it once the outputs are encoded.
type Answer struct {
	Outputs   []tensor.Tensor
	Queue     time.Duration // from Do to the moment the batch was taken
	Run       time.Duration // gather and Executor.Run of the batch
	BatchRows int           // rows of real requests that ran together (1 where the entry ran alone without rows)
	BatchSize int           // with padding

	free func()
}

// Free gives the memory of the outputs back; safe to call once or more.
func (a *Answer) Free() {
	if a != nil && a.free != nil {
		a.free()
		a.free = nil
	}
}

// API in short (the rest of the package implements it):
//
//	func New(cfg Config, execs []Executor, limit *Limiter, obs Observer) (*Batcher, error)
//	func (b *Batcher) Do(ctx context.Context, e *Entry) (*Answer, error)
//	func (b *Batcher) Close()
var _ context.Context
