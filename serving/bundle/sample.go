package bundle

import (
	"bytes"
	"slices"

	"shoal/batcher"
	"shoal/tensor"
)

// sample is a request with its answer, copied out of a run.
type sample struct {
	proof   *proof
	inputs  []tensor.Tensor
	outputs []tensor.Tensor // its rows of them
	rows    int
	batched bool // it ran with others, size rows in all
	size    int
}

const (
	// maxSample bounds a sample's inputs and outputs, in bytes, and maxSampleRows its rows.
	maxSample     = 8 << 20
	maxSampleRows = 64
)

// watched is an instance whose runs the judge looks at.
type watched struct {
	batcher.Placed
	judge *judge
}

// Run implements batcher.Executor.
func (w *watched) Run(b *tensor.Batch) (*tensor.Result, error) {
	r, err := w.Placed.Run(b)
	if err == nil && r != nil {
		w.judge.look(b, r)
	}
	return r, err
}

// look takes a sample of a run, if one is wanted.
func (j *judge) look(b *tensor.Batch, r *tensor.Result) {
	p := j.b.proofs[b.Signature]
	if p == nil || !p.watched.Load() || !j.wants(p, b) {
		return
	}
	s := p.sampleOf(b, r)
	if s == nil {
		return
	}
	select {
	case j.samples <- s:
	default: // there are enough
	}
}

// wants says whether the run is worth a sample. Of batches those with a number that doubles are, and later every watchEvery'th.
func (j *judge) wants(p *proof, b *tensor.Batch) bool {
	switch {
	case j.recording.Load():
		return true
	case b.Rows == 0:
		return !p.batched.Load() && j.hungry.Load() && j.comparing.Load() != &b.Parts[0][0]
	case len(b.Parts) < 2:
		return false
	}
	n, due := p.runs.Add(1), p.due.Load()
	if n < due || !j.hungry.Load() {
		return false
	}
	return p.due.CompareAndSwap(due, n+min(n, watchEvery))
}

// sampleOf copies one request of the run, by turns another; nil where it is too large or has no rows.
func (p *proof) sampleOf(b *tensor.Batch, r *tensor.Result) *sample {
	if len(b.Parts[0]) == 0 {
		return nil
	}
	k := int(p.runs.Load()) % len(b.Parts)
	from := 0
	for _, part := range b.Parts[:k] {
		from += int(part[0].Rows())
	}
	part := b.Parts[k]
	s := &sample{proof: p, rows: int(part[0].Rows()), batched: b.Rows > 0 && len(b.Parts) > 1, size: b.Size}
	if s.rows < 1 || s.rows > maxSampleRows {
		return nil
	}
	budget := int64(maxSample)
	for i := range part {
		if part[i].Rows() != int64(s.rows) {
			return nil
		}
		if i < len(b.Shapes) && b.Rows > 0 && !slices.Equal(part[i].Shape[1:], b.Shapes[i][1:]) {
			return nil // padded: it is not what the client sent
		}
		if budget -= part[i].Bytes(); budget < 0 {
			return nil
		}
		s.inputs = append(s.inputs, clone(part[i]))
	}
	for i := range r.Outputs {
		o := r.Outputs[i]
		if b.Rows > 0 {
			if o.Rows() < int64(from+s.rows) {
				return nil
			}
			o = o.Slice(int64(from), int64(from+s.rows))
		}
		if budget -= o.Bytes(); budget < 0 {
			return nil
		}
		s.outputs = append(s.outputs, clone(o))
	}
	return s
}

func clone(t tensor.Tensor) tensor.Tensor {
	c := tensor.Tensor{DType: t.DType, Shape: slices.Clone(t.Shape), Data: bytes.Clone(t.Data)}
	if t.Strings != nil {
		c.Strings = make([][]byte, len(t.Strings))
		for i, s := range t.Strings {
			c.Strings[i] = bytes.Clone(s)
		}
	}
	return c
}

// fits says whether two samples could share a batch: same types and inner dimensions.
func (s *sample) fits(other *sample) bool {
	return slices.EqualFunc(s.inputs, other.inputs, func(a, b tensor.Tensor) bool {
		return a.DType == b.DType && len(a.Shape) == len(b.Shape) && slices.Equal(a.Shape[1:], b.Shape[1:])
	})
}

// equals says whether two samples ask the same.
func (s *sample) equals(other *sample) bool {
	return s.rows == other.rows && slices.EqualFunc(s.inputs, other.inputs, func(a, b tensor.Tensor) bool {
		return bytes.Equal(a.Data, b.Data) && slices.EqualFunc(a.Strings, b.Strings, bytes.Equal)
	})
}
