package bundle

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"

	"shoal/tensor"
)

// trialRows are the numbers of rows with which two engines are compared, and gainRows those of them with which they are timed:
// one request alone, and batches as a server under load has them.
var (
	trialRows = []int64{1, 2, 3, 7, 8, 18, 19, 32}
	gainRows  = []int64{1, 7, 8, 18, 19, 32}
)

// values are where the values of a trial come from.
type values struct {
	low, high float32 // of floats
	largest   int64   // of integers, from 0
	inner     int64   // the size of open dimensions other than the first
}

var trialValues = []values{
	{low: -2, high: 2, largest: 1, inner: 3},
	{}, // zeros
	{low: 0, high: 1, largest: 255, inner: 5},
	{low: -30, high: 30, largest: 9, inner: 2},
}

// fewTrials is how many of them there are for larger batches.
const fewTrials = 2

// trials are batches of so many rows for the signature; none where its tensors would be too large.
func trials(sig *tensor.Signature, rows int64) (list []*tensor.Batch) {
	for i, v := range trialValues {
		if i == fewTrials && rows > 3 {
			break
		}
		if b := v.batch(sig, rows, rand.New(rand.NewPCG(uint64(i), uint64(rows)))); b != nil {
			list = append(list, b)
		}
	}
	return list
}

// batch is a batch that runs as it is, whether or not the signature is batched.
func (v values) batch(sig *tensor.Signature, rows int64, random *rand.Rand) *tensor.Batch {
	sized := *sig
	sized.Inputs = slices.Clone(sig.Inputs)
	for i := range sized.Inputs {
		shape := slices.Clone(sized.Inputs[i].Shape)
		for d := range shape {
			if d > 0 && shape[d] < 0 {
				shape[d] = max(v.inner, 1)
			}
		}
		sized.Inputs[i].Shape = shape
	}
	b := madeUp(&sized, rows)
	if b == nil {
		return nil
	}
	b.Signature, b.Rows, b.Size = sig, 0, 0
	for i := range b.Parts[0] {
		v.fill(&b.Parts[0][i], random)
	}
	return b
}

func (v values) fill(t *tensor.Tensor, random *rand.Rand) {
	size := t.DType.Size()
	if t.DType == tensor.Float32 {
		for at := 0; at < len(t.Data); at += size {
			x := v.low + (v.high-v.low)*random.Float32()
			binary.LittleEndian.PutUint32(t.Data[at:], math.Float32bits(x))
		}
		return
	}
	largest := v.largest
	switch t.DType {
	case tensor.Bool:
		largest = min(largest, 1)
	case tensor.Int8:
		largest = min(largest, math.MaxInt8)
	case tensor.Uint8:
	case tensor.Int16, tensor.Uint16, tensor.Int32, tensor.Int64:
		largest = min(largest, 9) // indices of small tables, too
	default:
		return // zeros: no second engine takes the type
	}
	for at := 0; at < len(t.Data); at += size {
		t.Data[at] = byte(random.Int64N(largest + 1)) // little-endian: the other bytes are zero
	}
}
