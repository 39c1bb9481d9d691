package tensor

import (
	"sync"
	"time"
)

// Batch is what an executor runs in one call: the inputs of one or more requests for one signature.
//
// With Rows > 0 the parts are joined along dimension 0 and filled up to Size rows by repeating the first row of the last
// part. With Rows == 0 there is one part, which runs exactly as it is, whatever its shapes (Size is 0 as well).
type Batch struct {
	Signature *Signature
	Parts     [][]Tensor // Parts[p][i] is input i of part p
	Rows      int        // rows of all parts
	Size      int        // rows to run, ≥ Rows
	// Shapes[i] is the shape of input i as it is run, dimension 0 included. Where a part is smaller in another dimension
	// (only when variable-length padding is on) it is padded at the end with its own first element.
	Shapes []Shape
	// Unmetered says that nobody wants to know Result.CPU: to find it takes a microsecond or two.
	Unmetered bool
}

// Result holds the outputs of one call, in the signature's order, in memory that is the executor's until Free.
type Result struct {
	Outputs []Tensor
	CPU     time.Duration // processor time that the run took; 0: it is not known, or the batch was unmetered
	// Release gives the memory back; nil where there is nothing to give back. Free calls it once.
	Release func()
	once    sync.Once
}

// Free gives the outputs' memory back. It is safe to call more than once and on nil.
func (r *Result) Free() {
	if r == nil {
		return
	}
	r.once.Do(func() {
		if r.Release != nil {
			r.Release()
		}
	})
}
