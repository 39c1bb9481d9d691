package json

import (
	"encoding/binary"
	"math"
	"unsafe"

	"shoal/tensor"
)

// target collects the elements of one input in arena memory. Both paths use it.
type target struct {
	spec    *tensor.Spec
	arena   *tensor.Arena
	data    []byte   // elements of fixed size so far; the capacity is the arena block's
	strings [][]byte // elements of a string tensor so far
	text    []byte   // arena block to which the strings are copied; its length is the part in use
	shape   tensor.Shape
}

// len returns the number of elements so far.
func (t *target) len() int {
	if t.spec.DType == tensor.String {
		return len(t.strings)
	}
	return len(t.data) / max(t.spec.DType.Size(), 1)
}

// truncate drops the elements from n on.
func (t *target) truncate(n int) {
	if t.spec.DType == tensor.String {
		t.strings = t.strings[:n]
		return
	}
	t.data = t.data[:n*t.spec.DType.Size()]
}

// reserve makes room for at least n more bytes of elements.
func (t *target) reserve(n int) {
	if cap(t.data)-len(t.data) >= n {
		return
	}
	grown := t.arena.Bytes(max(len(t.data)+n, 2*cap(t.data)))
	used := copy(grown, t.data)
	t.data = grown[:used]
}

// reserveText makes room for n more bytes of strings. A block that is full is not moved, because strings refer to it.
func (t *target) reserveText(n int) {
	if cap(t.text)-len(t.text) < n {
		t.text = t.arena.Bytes(max(n, 2*cap(t.text)))[:0]
	}
}

// addString adds the last bytes of text, from start on, as an element.
func (t *target) addString(start int) {
	if n := cap(t.strings); n == len(t.strings) {
		t.arena.Use(2 * n * tensor.StringHeader)
	}
	t.strings = append(t.strings, t.text[start:len(t.text):len(t.text)])
}

// put8 to put64 append an element.
func (t *target) put8(v uint8)   { t.reserve(1); t.data = append(t.data, v) }
func (t *target) put16(v uint16) { t.reserve(2); t.data = binary.NativeEndian.AppendUint16(t.data, v) }
func (t *target) put32(v uint32) { t.reserve(4); t.data = binary.NativeEndian.AppendUint32(t.data, v) }
func (t *target) put64(v uint64) { t.reserve(8); t.data = binary.NativeEndian.AppendUint64(t.data, v) }

// putNumber appends n. It returns false if the type cannot hold it.
func (t *target) putNumber(n *number) bool {
	switch t.spec.DType {
	case tensor.Float32:
		t.put32(math.Float32bits(n.float32()))
		return true
	case tensor.Float64:
		t.put64(math.Float64bits(n.float64()))
		return true
	case tensor.Float16:
		t.put16(tensor.ToFloat16(n.float64()))
		return true
	case tensor.BFloat16:
		t.put16(tensor.ToBFloat16(n.float64()))
		return true
	case tensor.Uint32, tensor.Uint64:
		v, ok := n.uint64()
		if t.spec.DType == tensor.Uint64 {
			t.put64(v)
			return ok
		}
		t.put32(uint32(v))
		return ok && v <= math.MaxUint32
	}
	v, ok := n.int64()
	if !ok {
		return false
	}
	switch t.spec.DType {
	case tensor.Int64:
		t.put64(uint64(v))
	case tensor.Int32:
		t.put32(uint32(v))
		return v == int64(int32(v))
	case tensor.Int16:
		t.put16(uint16(v))
		return v == int64(int16(v))
	case tensor.Uint16:
		t.put16(uint16(v))
		return v == int64(uint16(v))
	case tensor.Int8:
		t.put8(uint8(v))
		return v == int64(int8(v))
	case tensor.Uint8:
		t.put8(uint8(v))
		return v == int64(uint8(v))
	default:
		return false
	}
	return true
}

// tensor returns the finished tensor.
func (t *target) tensor() tensor.Tensor {
	return tensor.Tensor{DType: t.spec.DType, Shape: t.shape, Data: t.data, Strings: t.strings}
}

// elementsOf returns a block as elements of type T, without a copy. Arena blocks begin at 8-byte boundaries.
func elementsOf[T any](data []byte) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(data))), len(data)/int(unsafe.Sizeof(zero)))
}
