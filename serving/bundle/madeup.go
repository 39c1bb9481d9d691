package bundle

import (
	"shoal/tensor"
)

const (
	// maxMadeUp bounds the inputs of a made-up batch together, in bytes.
	maxMadeUp = 256 << 20
	// stringBytes is what an empty string takes, here and in TensorFlow.
	stringBytes = 24
	// maxDimensions is the largest number of dimensions that a tensor has in TensorFlow.
	maxDimensions = 254
)

// madeUpShapes are the shapes of made-up inputs with so many rows, and how many elements each has. What a signature declares is
// anybody's word: the shapes are nil where their tensors would take more than maxMadeUp together. Nothing is allocated before.
func madeUpShapes(sig *tensor.Signature, rows int64) (shapes []tensor.Shape, elements []int64) {
	left := int64(maxMadeUp)
	shapes = make([]tensor.Shape, 0, len(sig.Inputs))
	for _, s := range sig.Inputs {
		if len(s.Shape) > maxDimensions {
			return nil, nil
		}
		shape := madeUpShape(s, rows)
		n, ok := shape.Elements()
		size := int64(max(s.DType.Size(), 1))
		if s.DType == tensor.String {
			size = stringBytes
		}
		if !ok || n > left/size {
			return nil, nil
		}
		left -= n * size
		shapes, elements = append(shapes, shape), append(elements, n)
	}
	return shapes, elements
}

// madeUpShape has 1 for every dimension of any size but the first.
func madeUpShape(s tensor.Spec, rows int64) tensor.Shape {
	if s.UnknownRank {
		return tensor.Shape{rows}
	}
	shape := make(tensor.Shape, len(s.Shape))
	for d, n := range s.Shape {
		switch {
		case n >= 0:
			shape[d] = n
		case d == 0:
			shape[d] = rows
		default:
			shape[d] = 1
		}
	}
	return shape
}
