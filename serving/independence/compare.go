package independence

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"shoal/tensor"
)

// Rounding is the relative error up to which floats are the same: kernels for other batch sizes add in other orders. Where it was
// measured, on 60 signatures, the largest was 1.3e-4.
const Rounding = 1e-3

// Half-precision types have fewer digits than that.
var coarse = map[tensor.DType]float64{tensor.Float16: 1e-2, tensor.BFloat16: 5e-2}

// Compare says how rows [from, from+n) of want, the answer that counts, differ from rows [at, at+n) of got; "" where they do not.
// Floats may differ by the relative error, of values that are small beside the largest by a thousandth of that one; all else, and
// every inner dimension, is to be equal.
func Compare(want *tensor.Tensor, from int, got *tensor.Tensor, at, n int, rounding float64) string {
	if want.DType != got.DType || len(want.Shape) != len(got.Shape) || !slices.Equal(want.Shape[1:], got.Shape[1:]) {
		return fmt.Sprintf("has rows of the shape %v alone and %v in a batch", want.Shape[min(1, len(want.Shape)):], got.Shape[min(1, len(got.Shape)):])
	}
	a, b := want.Slice(int64(from), int64(from+n)), got.Slice(int64(at), int64(at+n))
	if a.DType == tensor.String {
		if i := differing(a.Strings, b.Strings); i >= 0 {
			return fmt.Sprintf("is %.40q alone and %.40q in a batch", a.Strings[i], b.Strings[i])
		}
		return ""
	}
	if bytes.Equal(a.Data, b.Data) {
		return ""
	}
	number := floats[a.DType]
	if number == nil {
		return "has other values alone than in a batch"
	}
	return compareFloats(a.Data, b.Data, a.DType.Size(), number, max(rounding, coarse[a.DType]))
}

func differing(a, b [][]byte) int {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return i
		}
	}
	return -1
}

// floats read a number, or the larger part of a complex one.
var floats = map[tensor.DType]func([]byte) float64{
	tensor.Float32:    float32At,
	tensor.Float64:    float64At,
	tensor.Float16:    func(b []byte) float64 { return float64(tensor.FromFloat16(binary.LittleEndian.Uint16(b))) },
	tensor.BFloat16:   func(b []byte) float64 { return float64(tensor.FromBFloat16(binary.LittleEndian.Uint16(b))) },
	tensor.Complex64:  func(b []byte) float64 { return float32At(b) + float32At(b[4:]) },
	tensor.Complex128: func(b []byte) float64 { return float64At(b) + float64At(b[8:]) },
}

func float32At(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }
func float64At(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

func compareFloats(a, b []byte, size int, number func([]byte) float64, rounding float64) string {
	largest := 0.0
	for i := 0; i < len(a); i += size {
		if x := math.Abs(number(a[i:])); x > largest && !math.IsInf(x, 0) {
			largest = x
		}
	}
	floor := 1e-3*largest + 1e-12
	for i := 0; i < len(a); i += size {
		x, y := number(a[i:]), number(b[i:])
		if x == y || math.IsNaN(x) && math.IsNaN(y) {
			continue
		}
		if e := math.Abs(x-y) / (max(math.Abs(x), math.Abs(y)) + floor); !(e <= rounding) {
			return fmt.Sprintf("is %v alone and %v in a batch", x, y)
		}
	}
	return ""
}
