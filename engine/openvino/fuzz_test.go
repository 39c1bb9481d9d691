package openvino_test

import (
	"encoding/binary"
	"math"
	"testing"

	"shoal/engine/choice"
	"shoal/tensor"
)

// FuzzOutcomes: whatever a request holds, OpenVINO never answers what TensorFlow refuses, and answers what it answers alike.
func FuzzOutcomes(f *testing.F) {
	var pairs []*pair
	for _, name := range []string{"test/half_plus_two/1", "test/fixed/1", "test/scalar/1", "test/dynamic/1", "rewrite/transformer/1", "rows/choice/1", "rows/position/1"} {
		pairs = append(pairs, openModel(f, name, "serving_default"))
	}
	f.Add(uint8(0), uint8(3), uint8(1), []byte{0, 0, 128, 63})
	f.Add(uint8(4), uint8(2), uint8(4), []byte{1, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, which, rows, inner uint8, data []byte) {
		p := pairs[int(which)%len(pairs)]
		var inputs []tensor.Tensor
		for i, s := range p.sig.Inputs {
			x := tensor.Tensor{DType: s.DType}
			for d, n := range s.Shape {
				switch {
				case n < 0 && d == 0:
					n = int64(rows % 40)
				case n < 0 || inner > 200: // a shape that the signature does not declare
					n = int64(inner % 9)
				}
				x.Shape = append(x.Shape, n)
			}
			n, _ := x.Shape.Elements()
			x.Data = make([]byte, int(n)*s.DType.Size())
			for k := range x.Data {
				if len(data) > 0 {
					x.Data[k] = data[(k+i)%len(data)]
				}
			}
			inputs = append(inputs, x)
		}
		b := batchOf(p.sig, inputs)
		got, err := p.ov.Run(b)
		if err != nil {
			return
		}
		defer got.Free()
		want, err := p.tf.Run(b)
		if err != nil {
			t.Fatalf("%s: OpenVINO answers what TensorFlow refuses: %v", p.sig.Name, err)
		}
		defer want.Free()
		for i := range want.Outputs {
			if d, why := choice.Difference(&want.Outputs[i], &got.Outputs[i]); (why != "" || d > 1e-3) && moderate(inputs) {
				t.Errorf("model %d, output %d: differs by %g; it %s", int(which)%len(pairs), i, d, why)
			}
		}
	})
}

// moderate says that no float is so large or small that sums of a few lose what engines order differently.
func moderate(inputs []tensor.Tensor) bool {
	for _, x := range inputs {
		for at := 0; x.DType == tensor.Float32 && at < len(x.Data); at += 4 {
			if v := math.Abs(float64(math.Float32frombits(binary.LittleEndian.Uint32(x.Data[at:])))); v > 1e3 || v > 0 && v < 1e-3 {
				return false
			}
		}
	}
	return true
}
