package choice

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc/status"

	"shoal/engine"
	"shoal/tensor"
)

// Agreement is what running the same batches in both engines has shown.
type Agreement struct {
	Tolerance float64 // of Difference

	Compared   int     // batches that both answered
	Difference float64 // the largest, see Difference
	Why        string  // how the engines disagree; "": they agree
}

// Compare runs the batches in both engines, until they disagree or the time is over; zero: it never is. It reports whether it got to
// the end and both engines ran the last batch. A batch that the first engine refuses must not be answered by the second one; one that
// the second one hands back shows nothing.
func (a *Agreement) Compare(first, second engine.Instance, batches []*tensor.Batch, until time.Time) bool {
	ran := false
	for _, b := range batches {
		if a.Why != "" || !until.IsZero() && time.Now().After(until) {
			return false
		}
		before := a.Compared
		a.Why = a.compare(first, second, b)
		ran = a.Compared > before
	}
	return a.Why == "" && ran
}

func (a *Agreement) compare(first, second engine.Instance, b *tensor.Batch) string {
	got, gotErr := second.Run(b)
	defer got.Free()
	if gotErr != nil {
		return ""
	}
	want, err := first.Run(b)
	defer want.Free()
	if err != nil {
		return fmt.Sprintf("it answers %v, which is an error: %s", b.Shapes, status.Convert(err).Message())
	}
	a.Compared++
	for i := range want.Outputs {
		d, why := Difference(&want.Outputs[i], &got.Outputs[i])
		a.Difference = max(a.Difference, d)
		if why == "" && d > a.Tolerance {
			why = fmt.Sprintf("differs by %.2g, more than %.2g", d, a.Tolerance)
		}
		if why != "" {
			return fmt.Sprintf("output %q %s", b.Signature.Outputs[i].Name, why)
		}
	}
	return ""
}

// nearlyTied is the part of a row's largest value by which its largest values may differ and either be called the largest.
const nearlyTied = 1e-6

// Difference is the largest difference of two values of the same place, as a part of the largest value of their row (of the largest
// value, if there are no rows). why says how the tensors differ otherwise: in their shapes, in values that are no floats, in which
// value of a row is the largest.
func Difference(want, got *tensor.Tensor) (difference float64, why string) {
	if want.DType != got.DType || !want.Shape.Equal(got.Shape) {
		return 0, fmt.Sprintf("is %v %v, and %v %v in the other engine", want.DType, want.Shape, got.DType, got.Shape)
	}
	if want.DType != tensor.Float32 {
		if !bytes.Equal(want.Data, got.Data) {
			return 0, "has other values"
		}
		return 0, ""
	}
	width := len(want.Data)
	if rows := want.Rows(); rows > 0 {
		width /= int(rows)
	}
	for at := 0; at < len(want.Data); at += width {
		d, why := rowDifference(want.Data[at:at+width], got.Data[at:at+width])
		if difference = max(difference, d); why != "" {
			return difference, why
		}
	}
	return difference, ""
}

func rowDifference(want, got []byte) (difference float64, why string) {
	largest, most, greatest := 0.0, 0.0, [2]int{}
	for i := 0; i < len(want); i += 4 {
		x, y := float32At(want, i), float32At(got, i)
		switch {
		case math.IsNaN(x) != math.IsNaN(y), math.IsInf(x, 0) != math.IsInf(y, 0), math.IsInf(x, 0) && x != y:
			return 0, fmt.Sprintf("is %v, and %v in the other engine", x, y)
		case math.IsNaN(x), math.IsInf(x, 0):
			continue
		}
		largest, most = max(largest, math.Abs(x)), max(most, math.Abs(x-y))
		if x > float32At(want, greatest[0]) {
			greatest[0] = i
		}
		if y > float32At(got, greatest[1]) {
			greatest[1] = i
		}
	}
	if most > 0 {
		difference = most / max(largest, math.SmallestNonzeroFloat32)
	}
	if float32At(want, greatest[0])-float32At(want, greatest[1]) > nearlyTied*largest {
		return difference, "has its largest value elsewhere"
	}
	return difference, ""
}

func float32At(b []byte, i int) float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[i:])))
}
