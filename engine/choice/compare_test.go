package choice

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"shoal/tensor"
)

func floats(shape tensor.Shape, values ...float32) *tensor.Tensor {
	t := &tensor.Tensor{DType: tensor.Float32, Shape: shape}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func TestDifference(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	whole := &tensor.Tensor{DType: tensor.Int32, Shape: tensor.Shape{1}, Data: []byte{1, 0, 0, 0}}
	other := &tensor.Tensor{DType: tensor.Int32, Shape: tensor.Shape{1}, Data: []byte{2, 0, 0, 0}}
	for name, c := range map[string]struct {
		want, got  *tensor.Tensor
		difference float64
		why        string
	}{
		"equal":                           {floats(tensor.Shape{2}, 1, 2), floats(tensor.Shape{2}, 1, 2), 0, ""},
		"of the largest value of a row":   {floats(tensor.Shape{1, 2}, 0, 4), floats(tensor.Shape{1, 2}, 1, 4), 0.25, ""},
		"each row has its own":            {floats(tensor.Shape{2, 2}, 100, 99, 0, 4), floats(tensor.Shape{2, 2}, 100, 99, 1, 4), 0.25, ""},
		"no rows":                         {floats(tensor.Shape{}, 2), floats(tensor.Shape{}, 1), 0.5, ""},
		"empty":                           {floats(tensor.Shape{0, 3}), floats(tensor.Shape{0, 3}), 0, ""},
		"both are no numbers":             {floats(tensor.Shape{1}, nan), floats(tensor.Shape{1}, nan), 0, ""},
		"a number for none":               {floats(tensor.Shape{1}, nan), floats(tensor.Shape{1}, 1), 0, "is NaN"},
		"infinite for finite":             {floats(tensor.Shape{1}, inf), floats(tensor.Shape{1}, 1), 0, "is +Inf"},
		"the other infinity":              {floats(tensor.Shape{1}, inf), floats(tensor.Shape{1}, -inf), 0, "is +Inf"},
		"another value is the largest":    {floats(tensor.Shape{1, 2}, 1, 1.00001), floats(tensor.Shape{1, 2}, 1.00001, 1), 1e-5, "largest value elsewhere"},
		"values that are nearly the same": {floats(tensor.Shape{1, 2}, 1, 1.0000001), floats(tensor.Shape{1, 2}, 1.0000001, 1), 1e-7, ""},
		"another shape":                   {floats(tensor.Shape{2}, 1, 2), floats(tensor.Shape{2, 1}, 1, 2), 0, "in the other engine"},
		"another type":                    {whole, floats(tensor.Shape{1}, 1), 0, "in the other engine"},
		"another integer":                 {whole, other, 0, "has other values"},
		"all zero":                        {floats(tensor.Shape{1}, 0), floats(tensor.Shape{1}, 1), math.Inf(1), ""},
	} {
		d, why := Difference(c.want, c.got)
		if (c.why == "") != (why == "") || !strings.Contains(why, c.why) || !(math.Abs(d-c.difference) <= 0.5*c.difference || c.difference > 1e6 && d > 1e6) {
			t.Errorf("%s: %g %q, want %g %q", name, d, why, c.difference, c.why)
		}
	}
}
