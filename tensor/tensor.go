package tensor

import "fmt"

// Tensor is a dense tensor in row-major order. Elements of fixed size are in Data, in little-endian order; strings are in
// Strings. The memory of inputs belongs to a request's Arena, that of outputs to their Result. It may not be read after the owner
// has freed it.
type Tensor struct {
	DType   DType
	Shape   Shape
	Data    []byte
	Strings [][]byte
}

// Rows returns the size of dimension 0, or 0 for a scalar, which has no rows.
func (t *Tensor) Rows() int64 {
	if len(t.Shape) == 0 {
		return 0
	}
	return t.Shape[0]
}

// Len returns the number of elements in memory.
func (t *Tensor) Len() int {
	if t.DType == String {
		return len(t.Strings)
	}
	if n := t.DType.Size(); n > 0 {
		return len(t.Data) / n
	}
	return 0
}

// StringHeader is the memory that a string takes besides its bytes: the slice that refers to them.
const StringHeader = 24

// Bytes returns the memory that the elements take.
func (t *Tensor) Bytes() int64 {
	n := int64(len(t.Data))
	for _, s := range t.Strings {
		n += int64(len(s)) + StringHeader
	}
	return n
}

// Slice returns a view of rows [from, to) that shares the tensor's memory. The tensor must have rank ≥ 1 and that many rows.
func (t *Tensor) Slice(from, to int64) Tensor {
	rows := t.Rows()
	if rows == 0 || from < 0 || to < from || to > rows {
		if from == 0 && to == 0 {
			rows = 1 // an empty tensor has one slice: itself
		} else {
			panic(fmt.Sprintf("tensor: rows [%d,%d) of %v", from, to, t.Shape))
		}
	}
	shape := make(Shape, len(t.Shape))
	copy(shape, t.Shape)
	shape[0] = to - from
	v := Tensor{DType: t.DType, Shape: shape}
	if t.DType == String {
		n := int64(len(t.Strings)) / rows
		v.Strings = t.Strings[from*n : to*n]
		return v
	}
	n := int64(len(t.Data)) / rows
	v.Data = t.Data[from*n : to*n]
	return v
}

// Check returns an error if the memory does not agree with the shape and type.
func (t *Tensor) Check() error {
	n, ok := t.Shape.Elements()
	if !ok {
		return fmt.Errorf("shape %v has too many elements", t.Shape)
	}
	if !t.DType.Known() {
		return fmt.Errorf("element type %v is not supported", t.DType)
	}
	if int64(t.Len()) != n || (t.DType != String && len(t.Data)%t.DType.Size() != 0) {
		return fmt.Errorf("tensor of shape %v and type %v needs %d elements, has %d", t.Shape, t.DType, n, t.Len())
	}
	return nil
}
