// Package tensor has the types that all other packages share: element types, shapes, tensors in plain memory, the batch that an
// executor runs, and the signature for which a request is decoded. It knows neither TensorFlow's library nor HTTP.
package tensor

import "strconv"

// DType is an element type; its values are TensorFlow's DataType numbers.
type DType int32

// The element types that a request or an answer can have.
const (
	Invalid    DType = 0
	Float32    DType = 1
	Float64    DType = 2
	Int32      DType = 3
	Uint8      DType = 4
	Int16      DType = 5
	Int8       DType = 6
	String     DType = 7
	Complex64  DType = 8
	Int64      DType = 9
	Bool       DType = 10
	BFloat16   DType = 14
	Uint16     DType = 17
	Complex128 DType = 18
	Float16    DType = 19
	Uint32     DType = 22
	Uint64     DType = 23
)

// dtypeInfo has an empty name if there is no such type.
type dtypeInfo struct {
	name string // as TensorFlow's messages print it
	size int    // bytes per element; 0 for strings
}

var dtypes = [...]dtypeInfo{
	Float32: {"float", 4}, Float64: {"double", 8}, Int32: {"int32", 4}, Uint8: {"uint8", 1}, Int16: {"int16", 2},
	Int8: {"int8", 1}, String: {"string", 0}, Complex64: {"complex64", 8}, Int64: {"int64", 8}, Bool: {"bool", 1},
	BFloat16: {"bfloat16", 2}, Uint16: {"uint16", 2}, Complex128: {"complex128", 16}, Float16: {"half", 2},
	Uint32: {"uint32", 4}, Uint64: {"uint64", 8},
}

// String returns the type's name as in TensorFlow's error messages: float, half, int64, ….
func (d DType) String() string {
	if d.Known() {
		return dtypes[d].name
	}
	return "dtype " + strconv.Itoa(int(d))
}

// Size returns the number of bytes per element, 0 for strings and unknown types.
func (d DType) Size() int {
	if uint(d) >= uint(len(dtypes)) {
		return 0
	}
	return dtypes[d].size
}

// Known reports whether tensors of this type can be held in memory here.
func (d DType) Known() bool { return uint(d) < uint(len(dtypes)) && dtypes[d].name != "" }
