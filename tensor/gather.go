package tensor

import "bytes"

// Gather copies input i of every part into dst, the memory of a tensor of shape b.Shapes[i]. Each byte is copied once. The parts
// follow each other, padded if they are smaller than the shape; then the first row of the last part is repeated until Size rows
// are filled. dst must have exactly that size. Not for strings.
func (b *Batch) Gather(i int, dst []byte) {
	if b.Rows == 0 {
		copy(dst, b.Parts[0][i].Data)
		return
	}
	row, n := len(dst)/b.Size, 0
	for p := range b.Parts {
		t := &b.Parts[p][i]
		if len(t.Data) == int(t.Shape[0])*row { // no dimension is larger than the batch's, so all are equal
			n += copy(dst[n:], t.Data)
		} else {
			n += gatherPadded(dst[n:], t.Data, t.Shape, b.inner(i), t.DType.Size())
		}
	}
	if b.Size <= b.Rows || n == len(dst) {
		return
	}
	last := n - int(b.Parts[len(b.Parts)-1][i].Shape[0])*row // where the last part begins
	fill := dst[last : last+row]
	for n < len(dst) {
		n += copy(dst[n:], fill)
	}
}

// GatherStrings calls put for every element of input i in the order of Gather.
func (b *Batch) GatherStrings(i int, put func(index int, s []byte)) {
	if b.Rows == 0 {
		for k, s := range b.Parts[0][i].Strings {
			put(k, s)
		}
		return
	}
	inner := b.inner(i)
	n := 0
	for _, part := range b.Parts {
		t := &part[i]
		if t.Shape[1:].Equal(inner) {
			for _, s := range t.Strings {
				put(n, s)
				n++
			}
			continue
		}
		eachPadded(t.Shape, inner, func(src int) {
			put(n, t.Strings[src])
			n++
		})
	}
	tail := &b.Parts[len(b.Parts)-1][i]
	for r := b.Rows; r < b.Size; r++ { // the first row of the last part, padded as it was above
		first := append(Shape{1}, tail.Shape[1:]...)
		eachPadded(first, inner, func(src int) {
			put(n, tail.Strings[src])
			n++
		})
	}
}

// inner returns the shape of one row of input i as it is run. The batch must have rows.
func (b *Batch) inner(i int) Shape {
	return b.Shapes[i][1:]
}

// gatherPadded copies src, of the given shape, into dst, whose rows have the larger shape inner. The end of each dimension is
// padded with src's first element. It returns the number of bytes written.
func gatherPadded(dst, src []byte, shape, inner Shape, esize int) int {
	elements, _ := inner.Elements()
	total := int(shape[0]*elements) * esize
	dst = dst[:total]
	fill(dst, src[:esize])
	if len(inner) == 0 {
		return copy(dst, src)
	}
	// Runs of the innermost dimension are contiguous in both.
	run := int(shape[len(shape)-1]) * esize
	step := int(inner[len(inner)-1]) * esize
	index := make([]int64, len(shape)-1) // counts over all dimensions but the innermost
	for s := 0; s < len(src); s += run {
		at := 0
		for d, x := range index {
			size := shape[0]
			if d > 0 {
				size = inner[d-1]
			}
			at = at*int(size) + int(x)
		}
		copy(dst[at*step:], src[s:s+run])
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < shape[d] {
				break
			}
			index[d] = 0
		}
	}
	return total
}

// eachPadded calls f with the source index of every element of a tensor of this shape padded to rows of shape inner.
func eachPadded(shape, inner Shape, f func(src int)) {
	index := make([]int64, len(shape))
	per, _ := inner.Elements()
	for range shape[0] * per {
		src, inside := 0, true
		for d, x := range index {
			inside = inside && x < shape[d]
			src = src*int(shape[d]) + int(x)
		}
		if !inside {
			src = 0
		}
		f(src)
		for d := len(index) - 1; d >= 0; d-- {
			size := shape[0]
			if d > 0 {
				size = inner[d-1]
			}
			if index[d]++; index[d] < size {
				break
			}
			index[d] = 0
		}
	}
}

// fill repeats pattern over dst.
func fill(dst, pattern []byte) {
	if len(bytes.Trim(pattern, "\x00")) == 0 {
		clear(dst)
		return
	}
	for n := copy(dst, pattern); n < len(dst); n *= 2 {
		copy(dst[n:], dst[:n])
	}
}
