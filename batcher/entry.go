package batcher

import (
	"sync/atomic"
	"time"

	"shoal/tensor"
)

// Entry is one request for a signature.
type Entry struct {
	Signature *tensor.Signature // entries with the same pointer can share a batch
	Inputs    []tensor.Tensor   // in the signature's order, memory of Arena
	Arena     *tensor.Arena     // may be nil; the batcher retains it while it reads the inputs
	Deadline  time.Time         // zero: none
	Unbatched bool              // run alone, without padding
	// Comparison marks an entry of the batcher's owner, who wants to know whether a client's answer would be the same. It runs
	// unbatched. The observer gets its run, with ReasonComparison, but not the entry.
	Comparison bool
	// Priority is the entry's level, 1 being the highest; 0: Config.Priorities.Default. It has no effect unless Config.Priorities
	// has levels.
	Priority uint64
	// QueueTimeout is how long the entry waits for its first run at most; 0: as long as its level's policy allows.
	QueueTimeout time.Duration
	Trace        any // given to the observer with the entry and with its batches; nil: none
}

// Answer is what an entry gets back. Free it once the outputs are encoded.
type Answer struct {
	Outputs   []tensor.Tensor
	Queue     time.Duration // from Do to the moment the batch was taken
	Run       time.Duration // gather and Executor.Run of the batch; of a split entry from its first run to the end of its last
	BatchRows int           // rows of requests that ran together; 1 for an entry without rows
	BatchSize int           // with padding

	owner interface{ Free() } // of the outputs' memory
}

// Free returns the memory of the outputs. It may be called more than once.
func (a *Answer) Free() {
	if a != nil && a.owner != nil {
		a.owner.Free()
		a.owner = nil
	}
}

// shared counts the answers that still use one result.
type shared struct {
	refs   atomic.Int32
	result *tensor.Result
}

func share(r *tensor.Result, refs int) *shared {
	s := &shared{result: r}
	s.refs.Store(int32(refs))
	return s
}

// Free drops one reference; the last one frees the result.
func (s *shared) Free() {
	if s.refs.Add(-1) == 0 {
		s.result.Free()
	}
}

// divide gives each item its rows of the result as views, without a copy. Each answer holds a reference to the result. The
// answers of one batch share three allocations.
func divide(r *tensor.Result, items []item, out []Answer) {
	dims := 0
	for i := range r.Outputs {
		dims += len(r.Outputs[i].Shape)
	}
	owner := share(r, len(items))
	views := make([]tensor.Tensor, 0, len(items)*len(r.Outputs))
	shapes := make(tensor.Shape, 0, len(items)*dims)
	from := 0
	for i, it := range items {
		start := len(views)
		for k := range r.Outputs {
			o := &r.Outputs[k]
			at := len(shapes)
			shapes = append(shapes, o.Shape...)
			shapes[at] = int64(it.rows())
			views = append(views, rowsOf(o, from, from+it.rows(), shapes[at:len(shapes):len(shapes)]))
		}
		out[i].Outputs = views[start:len(views):len(views)]
		out[i].owner = owner
		from += it.rows()
	}
}

// rowsOf returns rows [from, to) of t, which has at least one row, with the given shape. They share t's memory.
func rowsOf(t *tensor.Tensor, from, to int, shape tensor.Shape) tensor.Tensor {
	v := tensor.Tensor{DType: t.DType, Shape: shape}
	rows := int(t.Shape[0])
	if t.DType == tensor.String {
		n := len(t.Strings) / rows
		v.Strings = t.Strings[from*n : to*n]
	} else {
		n := len(t.Data) / rows
		v.Data = t.Data[from*n : to*n]
	}
	return v
}

// follows reports whether dimension 0 of every output is size, which batching needs.
func follows(r *tensor.Result, size int) bool {
	for i := range r.Outputs {
		if s := r.Outputs[i].Shape; len(s) == 0 || s[0] != int64(size) {
			return false
		}
	}
	return true
}
