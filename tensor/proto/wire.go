// Package proto converts serialised TensorProto messages to tensors and back, without generated messages. Inputs are not copied
// if their elements have the same form on the wire and in memory. Outputs are copied once, from the model's output to the wire.
// What is accepted and how missing elements are filled follows tensorflow::Tensor::FromProto and AsProtoField.
package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"shoal/tensor"
)

// ErrMalformed is returned if the bytes are not a protobuf message.
var ErrMalformed = errors.New("malformed TensorProto")

// ErrInvalid is returned for a message that is no valid tensor: an impossible shape, an element type that is not supported, or a
// tensor_content whose size does not fit the shape.
var ErrInvalid = errors.New("tensor parsing error")

// TooLargeError is returned for a shape that needs more memory than is allowed. Nothing was allocated.
type TooLargeError struct {
	Shape tensor.Shape
	DType tensor.DType
	Limit int64 // bytes that were left
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a tensor of shape %v and type %v needs more than the %d bytes that are left to this request", e.Shape, e.DType, e.Limit)
}

// RangeError is returned for an element that its type cannot hold, because its upper bits would be lost.
type RangeError struct {
	Value int32
	DType tensor.DType
	Index int // among the elements that were sent
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("%d at index %d is out of the range of %v", e.Value, e.Index, e.DType)
}

// The fields of TensorProto.
const (
	fieldDType    protowire.Number = 1
	fieldShape    protowire.Number = 2
	fieldContent  protowire.Number = 4
	fieldFloat    protowire.Number = 5
	fieldDouble   protowire.Number = 6
	fieldInt      protowire.Number = 7
	fieldString   protowire.Number = 8
	fieldScomplex protowire.Number = 9
	fieldInt64    protowire.Number = 10
	fieldBool     protowire.Number = 11
	fieldDcomplex protowire.Number = 12
	fieldHalf     protowire.Number = 13
	fieldUint32   protowire.Number = 16
	fieldUint64   protowire.Number = 17
)

// The fields of TensorShapeProto and of its Dim.
const (
	fieldDim     protowire.Number = 2
	fieldDimSize protowire.Number = 1
)

// maxDims is TensorFlow's limit on a tensor's rank.
const maxDims = 254

// Field is the repeated field with a type's elements, and the wire type of its scalars.
type Field struct {
	Number protowire.Number
	Wire   protowire.Type // of one scalar: Fixed32, Fixed64, Varint, or Bytes for strings
}

var fields = [...]Field{
	tensor.Float32:    {fieldFloat, protowire.Fixed32Type},
	tensor.Float64:    {fieldDouble, protowire.Fixed64Type},
	tensor.Int32:      {fieldInt, protowire.VarintType},
	tensor.Uint8:      {fieldInt, protowire.VarintType},
	tensor.Int16:      {fieldInt, protowire.VarintType},
	tensor.Int8:       {fieldInt, protowire.VarintType},
	tensor.Uint16:     {fieldInt, protowire.VarintType},
	tensor.String:     {fieldString, protowire.BytesType},
	tensor.Complex64:  {fieldScomplex, protowire.Fixed32Type},
	tensor.Complex128: {fieldDcomplex, protowire.Fixed64Type},
	tensor.Int64:      {fieldInt64, protowire.VarintType},
	tensor.Bool:       {fieldBool, protowire.VarintType},
	tensor.BFloat16:   {fieldHalf, protowire.VarintType},
	tensor.Float16:    {fieldHalf, protowire.VarintType},
	tensor.Uint32:     {fieldUint32, protowire.VarintType},
	tensor.Uint64:     {fieldUint64, protowire.VarintType},
}

// chunk is how many varints are converted at a time, so that the switch on the type is outside the loops.
const chunk = 256

// widen reads elements from data and converts them to varints. Signed ones are sign-extended, as in protobuf.
func widen(dst *[chunk]uint64, d tensor.DType, data []byte) []uint64 {
	le, out := binary.LittleEndian, dst[:min(chunk, len(data)/d.Size())]
	switch d {
	case tensor.Int8:
		for i := range out {
			out[i] = uint64(int8(data[i]))
		}
	case tensor.Uint8, tensor.Bool:
		for i := range out {
			out[i] = uint64(data[i])
		}
	case tensor.Int16:
		for i := range out {
			out[i] = uint64(int16(le.Uint16(data[2*i:])))
		}
	case tensor.Uint16, tensor.Float16, tensor.BFloat16:
		for i := range out {
			out[i] = uint64(le.Uint16(data[2*i:]))
		}
	case tensor.Int32:
		for i := range out {
			out[i] = uint64(int32(le.Uint32(data[4*i:])))
		}
	case tensor.Uint32:
		for i := range out {
			out[i] = uint64(le.Uint32(data[4*i:]))
		}
	case tensor.Int64, tensor.Uint64:
		for i := range out {
			out[i] = le.Uint64(data[8*i:])
		}
	}
	return out
}

// ranges are the ranges of the types that are smaller than their field.
var ranges = map[tensor.DType][2]int32{
	tensor.Int8: {math.MinInt8, math.MaxInt8}, tensor.Uint8: {0, math.MaxUint8}, tensor.Int16: {math.MinInt16, math.MaxInt16}, tensor.Uint16: {0, math.MaxUint16},
}

// outOfRange returns the index of the first value that d cannot hold, or -1.
func outOfRange(d tensor.DType, values []uint64) int {
	limits, ok := ranges[d]
	if !ok {
		return -1
	}
	return slices.IndexFunc(values, func(v uint64) bool { return int32(v) < limits[0] || int32(v) > limits[1] })
}

// narrow converts varints, which must be in d's range, to elements.
func narrow(dst []byte, d tensor.DType, values []uint64) {
	le := binary.LittleEndian
	switch {
	case d == tensor.Bool:
		for i, v := range values {
			dst[i] = 0
			if v != 0 {
				dst[i] = 1
			}
		}
	case d.Size() == 1:
		for i, v := range values {
			dst[i] = byte(v)
		}
	case d.Size() == 2:
		for i, v := range values {
			le.PutUint16(dst[2*i:], uint16(v))
		}
	case d.Size() == 4:
		for i, v := range values {
			le.PutUint32(dst[4*i:], uint32(v))
		}
	default:
		for i, v := range values {
			le.PutUint64(dst[8*i:], v)
		}
	}
}
