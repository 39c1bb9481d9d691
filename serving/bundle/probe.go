package bundle

import (
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving/independence"
	"shoal/tensor"
)

// declaredUnbatched says why a signature cannot be batched by what it declares: an input or output without a first dimension
// of any size. Unknown ranks may be batched. "" where nothing speaks against it.
func declaredUnbatched(sig *tensor.Signature) string {
	if len(sig.Inputs) == 0 {
		return "it has no inputs"
	}
	for _, list := range [][]tensor.Spec{sig.Inputs, sig.Outputs} {
		for _, s := range list {
			if !s.UnknownRank && (len(s.Shape) == 0 || s.Shape[0] != -1) {
				return fmt.Sprintf("%q has the shape %v, no batch dimension", s.Name, s.Shape)
			}
		}
	}
	return ""
}

// warmBudget is the time after which a signature's warm-up makes no further runs.
const warmBudget = 2 * time.Second

// warmSizes are the batch sizes that a warm-up runs: two small ones, and those that all batches are padded to.
func warmSizes(c *batcher.Config) []int64 {
	sizes := []int64{1, 2}
	for _, n := range c.AllowedBatchSizes {
		if n > 2 {
			sizes = append(sizes, int64(n))
		}
	}
	return sizes
}

// probe runs the signature with made-up inputs of several sizes. That makes the engine optimise the graph and prepare its
// kernels before the first request, and shows whether every output has as many rows as the inputs; it returns why the
// signature cannot be batched, or "". A model may refuse made-up inputs (a parser of tf.Example may want features): then what
// it declares counts, and the batcher looks at the outputs of real batches; refused is what it said.
func probe(in independence.Runner, sig *tensor.Signature, sizes []int64, log *slog.Logger) (why string, refused error) {
	start := time.Now()
	for _, rows := range sizes {
		b := madeUp(sig, rows)
		if b == nil || time.Since(start) > warmBudget {
			return "", nil
		}
		r, err := in.Run(b)
		switch {
		case err != nil && rows == 1:
			log.Debug("the made-up request of the warm-up was refused by the model", "signature", sig.Name, "error", err)
			return "", err
		case status.Code(err) == codes.ResourceExhausted:
			log.Warn("no memory for a large batch", "signature", sig.Name, "rows", rows, "error", err)
			return "", nil
		case err != nil:
			return fmt.Sprintf("one row runs, %d do not: %s", rows, status.Convert(err).Message()), nil
		}
		for i := range r.Outputs {
			if t := &r.Outputs[i]; len(t.Shape) == 0 || t.Shape[0] != rows {
				shape := t.Shape
				r.Free()
				return fmt.Sprintf("output %q has the shape %v for %d rows", sig.Outputs[i].Name, shape, rows), nil
			}
		}
		r.Free()
	}
	return "", nil
}

// probeAlone warms a signature that is not batched.
func probeAlone(in independence.Runner, sig *tensor.Signature, log *slog.Logger) (refused error) {
	b := madeUp(sig, 1)
	if b == nil {
		return nil
	}
	b.Rows, b.Size = 0, 0
	r, err := in.Run(b)
	if err != nil {
		log.Debug("the made-up request of the warm-up was refused by the model", "signature", sig.Name, "error", err)
		return err
	}
	r.Free()
	return nil
}

// madeUp is a batch of zeros and empty strings (an empty string is also an empty tf.Example). Unknown dimensions are 1. It is
// nil where it would be larger than maxMadeUp.
func madeUp(sig *tensor.Signature, rows int64) *tensor.Batch {
	b := &tensor.Batch{Signature: sig, Rows: int(rows), Size: int(rows)}
	shapes, elements := madeUpShapes(sig, rows)
	if shapes == nil {
		return nil
	}
	b.Shapes = shapes
	part := make([]tensor.Tensor, len(sig.Inputs))
	for i, s := range sig.Inputs {
		t, n := tensor.Tensor{DType: s.DType, Shape: shapes[i]}, elements[i]
		if s.DType == tensor.String {
			t.Strings = make([][]byte, n)
		} else {
			t.Data = make([]byte, n*int64(s.DType.Size()))
		}
		part[i] = t
	}
	b.Parts = [][]tensor.Tensor{part}
	return b
}
