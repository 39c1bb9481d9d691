// Package independence finds out whether the rows of a signature are independent: whether the answer to a row is the same, in its
// values and in every inner dimension, whatever rows run with it. Only then may requests share a batch, be cut or be padded.
//
// The proof is an experiment: different rows run alone, and together in several orders and sizes, and the answers are compared. It
// needs nothing of a model but that it runs batches.
package independence

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// Runner runs batches, one at a time.
type Runner interface {
	Run(b *tensor.Batch) (*tensor.Result, error)
}

// Kind is what is known of a signature.
type Kind int

// The kinds. Unproven is no verdict: nothing spoke against independence, and nothing for it.
const (
	Unproven Kind = iota
	Independent
	Dependent
)

// Verdict is the outcome of a proof.
type Verdict struct {
	Kind Kind
	Why  string // it is not Independent, for people
	// Refused is the error of a model that takes none of the rows it was tried with; nil otherwise.
	Refused error
}

// Rows are n rows of a signature's inputs, in its order: tensors with n as their first dimension.
type Rows []tensor.Tensor

// batch is a batch of the rows with these numbers, each a part of its own.
func (r Rows) batch(sig *tensor.Signature, order []int) *tensor.Batch {
	b := &tensor.Batch{Signature: sig, Rows: len(order), Size: len(order)}
	for _, k := range order {
		part := make([]tensor.Tensor, len(r))
		for i := range r {
			part[i] = r[i].Slice(int64(k), int64(k)+1)
		}
		b.Parts = append(b.Parts, part)
	}
	for i := range r {
		shape := slices.Clone(r[i].Shape)
		shape[0] = int64(len(order))
		b.Shapes = append(b.Shapes, shape)
	}
	return b
}

// follows says which output does not have that many rows; "": each has.
func follows(sig *tensor.Signature, outputs []tensor.Tensor, rows int) string {
	for i := range outputs {
		if t := &outputs[i]; len(t.Shape) == 0 || t.Shape[0] != int64(rows) {
			return fmt.Sprintf("output %q has the shape %v for %d rows", sig.Outputs[i].Name, t.Shape, rows)
		}
	}
	return ""
}

func message(err error) string { return status.Convert(err).Message() }
