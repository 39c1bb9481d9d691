package oip

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"shoal/tensor"
)

// Classify replaces an output by its n largest values of each row, the largest first, as strings "value:index": BYTES [rows, n]. An
// output that is not batched is one row. Of equal values the one with the smaller index comes first. The memory counts as the arena's: if there
// is no room for it, Classify panics as Arena.Use does.
func Classify(arena *tensor.Arena, t *tensor.Tensor, n int, batched bool) (tensor.Tensor, error) {
	value, text := reader(t.DType)
	if value == nil {
		return tensor.Tensor{}, invalid("class result not available for output of datatype %s", Datatype(t.DType))
	}
	rows, shape := 1, tensor.Shape{}
	if batched && len(t.Shape) > 0 {
		rows = int(t.Shape[0])
		shape = append(shape, t.Shape[0])
	}
	classes := 0
	if rows > 0 {
		classes = t.Len() / rows
	}
	n = min(n, classes)
	arena.Use(rows*n*classMemory + 8*classes)
	out := tensor.Tensor{DType: tensor.String, Shape: append(shape, int64(n)), Strings: make([][]byte, 0, rows*n)}
	order := make([]int, classes)
	for row := range rows {
		data := t.Data[row*classes*t.DType.Size():]
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(value(data, b), value(data, a)) })
		for _, i := range order[:n] {
			s := append(text(data, i), ':')
			out.Strings = append(out.Strings, strconv.AppendInt(s, int64(i), 10))
		}
	}
	return out, nil
}

// classMemory is what a string "value:index" takes, a large one too.
const classMemory = tensor.StringHeader + 48

// reader reads elements of a type: to compare them, and as text. Both are nil for a type that has no order. Integers beyond 2^53 that
// differ by little compare as equal.
func reader(d tensor.DType) (value func([]byte, int) float64, text func([]byte, int) []byte) {
	le := binary.LittleEndian
	var integer func([]byte, int) int64
	switch d {
	case tensor.Float32:
		value = func(b []byte, i int) float64 { return float64(math.Float32frombits(le.Uint32(b[4*i:]))) }
	case tensor.Float64:
		value = func(b []byte, i int) float64 { return math.Float64frombits(le.Uint64(b[8*i:])) }
	case tensor.Float16:
		value = func(b []byte, i int) float64 { return float64(tensor.FromFloat16(le.Uint16(b[2*i:]))) }
	case tensor.BFloat16:
		value = func(b []byte, i int) float64 { return float64(tensor.FromBFloat16(le.Uint16(b[2*i:]))) }
	case tensor.Int8:
		integer = func(b []byte, i int) int64 { return int64(int8(b[i])) }
	case tensor.Uint8:
		integer = func(b []byte, i int) int64 { return int64(b[i]) }
	case tensor.Int16:
		integer = func(b []byte, i int) int64 { return int64(int16(le.Uint16(b[2*i:]))) }
	case tensor.Uint16:
		integer = func(b []byte, i int) int64 { return int64(le.Uint16(b[2*i:])) }
	case tensor.Int32:
		integer = func(b []byte, i int) int64 { return int64(int32(le.Uint32(b[4*i:]))) }
	case tensor.Uint32:
		integer = func(b []byte, i int) int64 { return int64(le.Uint32(b[4*i:])) }
	case tensor.Int64:
		integer = func(b []byte, i int) int64 { return int64(le.Uint64(b[8*i:])) }
	case tensor.Uint64:
		value = func(b []byte, i int) float64 { return float64(le.Uint64(b[8*i:])) }
		return value, func(b []byte, i int) []byte { return strconv.AppendUint(nil, le.Uint64(b[8*i:]), 10) }
	default:
		return nil, nil
	}
	if integer != nil {
		value = func(b []byte, i int) float64 { return float64(integer(b, i)) }
		return value, func(b []byte, i int) []byte { return strconv.AppendInt(nil, integer(b, i), 10) }
	}
	// Six decimals, as Triton prints them.
	return value, func(b []byte, i int) []byte { return strconv.AppendFloat(nil, value(b, i), 'f', 6, 64) }
}
