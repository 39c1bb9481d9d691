package bundle

import (
	"context"
	"slices"

	"shoal/batcher"
	"shoal/serving/predictionlog"
	"shoal/tensor"
)

// Limits on the recorded requests that engines are compared with.
const (
	maxCollected      = 64 // of a signature
	maxCollectedBytes = 64 << 20
)

// collector is a servable that keeps the inputs of requests and runs nothing.
type collector struct {
	*Bundle
	batches map[*tensor.Signature][]*tensor.Batch
	bytes   int64
}

// recorded are the recorded requests that lie beside the model, as batches, up to the first one that cannot be read: running them
// says what is wrong with it.
func (l *loader) recorded(ctx context.Context, b *Bundle) map[*tensor.Signature][]*tensor.Batch {
	c := &collector{Bundle: b, batches: make(map[*tensor.Signature][]*tensor.Batch)}
	if l.Warmup {
		_, _ = predictionlog.WarmUp(ctx, l.dir, c, predictionlog.WarmUpOptions{CheckMethodName: l.CheckMethodNames})
	}
	return c.batches
}

// Run implements serving.Servable. The answer is empty.
func (c *collector) Run(_ context.Context, e batcher.Entry) (*batcher.Answer, error) {
	b := &tensor.Batch{Signature: e.Signature, Parts: [][]tensor.Tensor{nil}}
	for _, t := range e.Inputs {
		c.bytes += t.Bytes()
		b.Shapes = append(b.Shapes, slices.Clone(t.Shape))
		t.Data, t.Shape, t.Strings = slices.Clone(t.Data), slices.Clone(t.Shape), slices.Clone(t.Strings)
		b.Parts[0] = append(b.Parts[0], t)
	}
	if c.bytes <= maxCollectedBytes && len(c.batches[e.Signature]) < maxCollected {
		c.batches[e.Signature] = append(c.batches[e.Signature], b)
	}
	return new(batcher.Answer), nil
}
