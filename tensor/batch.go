package tensor

import (
	"sync"
	"time"
)

// Batch is what an executor runs in one call: the inputs of one or more requests for one signature.
//
// With Rows > 0 the parts are joined along dimension 0, and padded to Size rows with copies of the first row of the last part. With
// Rows == 0 there is one part, which runs without padding, whatever its shapes; Size is 0 too.
type Batch struct {
	Signature *Signature
	Parts     [][]Tensor // Parts[p][i] is input i of part p
	Rows      int        // rows of all parts
	Size      int        // rows to run, ≥ Rows
	// Shapes[i] is the shape of input i as it is run, including dimension 0. If a part is smaller in another dimension (only with
	// variable-length padding), it is padded at the end with its own first element.
	Shapes []Shape
	// Unmetered says that the executor need not measure Result.CPU, which takes one or two microseconds.
	Unmetered bool
}

// Result holds the outputs of one call, in the signature's order. The executor owns the memory; the caller frees it with Free.
type Result struct {
	Outputs []Tensor
	CPU     time.Duration // processor time that the run took; 0: it is not known, or the batch was unmetered
	// Release frees the memory; nil: there is nothing to free. Free calls it once.
	Release func()
	once    sync.Once
}

// Free frees the outputs' memory. It may be called more than once, and on nil.
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
