package tensor

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Shape is the size of each dimension, outermost first; empty for a scalar. In a signature -1 means any size.
type Shape []int64

// Elements returns the product of the dimensions. ok is false if a dimension is negative or the product overflows int64.
// libtensorflow aborts the process on such a shape, so check before you pass one on.
func (s Shape) Elements() (n int64, ok bool) {
	n = 1
	zero := false
	for _, d := range s {
		switch {
		case d < 0:
			return 0, false
		case d == 0:
			zero = true
		case n > math.MaxInt64/d:
			return 0, false
		default:
			n *= d
		}
	}
	if zero {
		return 0, true
	}
	return n, true
}

// Equal reports whether both shapes have the same dimensions.
func (s Shape) Equal(o Shape) bool { return slices.Equal(s, o) }

// String formats the shape as TensorFlow does: [2,3]; a scalar is [].
func (s Shape) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(d, 10))
	}
	b.WriteByte(']')
	return b.String()
}
