package bodies

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"shoal/tensor"
)

// Random draws values for a signature's inputs. The same seed gives the same requests.
type Random struct {
	Signature *tensor.Signature
	Sizes     Sizes
	Unknown   int // for dimensions of any size other than the first; below 1: 1
	Seed      uint64
}

// maxElements bounds one made-up tensor.
const maxElements = 1 << 28

// Requests makes n requests.
func (g Random) Requests(n int) ([]*Request, error) {
	r := rand.New(rand.NewPCG(g.Seed, 0x5ca1ab1e))
	batched := Batched(g.Signature)
	list := make([]*Request, n)
	for i := range list {
		req := &Request{}
		rows := g.Sizes.Pick(r)
		if batched {
			req.Rows = rows
		}
		for _, spec := range g.Signature.Inputs {
			shape := g.shape(spec, batched, rows)
			t, err := fill(r, spec, shape)
			if err != nil {
				return nil, err
			}
			req.Inputs = append(req.Inputs, t)
		}
		list[i] = req
	}
	return list, nil
}

func (g Random) shape(spec tensor.Spec, batched bool, rows int) tensor.Shape {
	shape := append(tensor.Shape{}, spec.Shape...)
	for d := range shape {
		if shape[d] < 0 {
			shape[d] = int64(max(g.Unknown, 1))
		}
	}
	if batched {
		shape[0] = int64(rows)
	}
	return shape
}

// fill makes a tensor. Floats lie in [-1, 1) with six decimals, as clients tend to send them; uint8 takes all its values, other
// whole numbers lie in [0, 10), which suits indices into a vocabulary; strings are short words.
func fill(r *rand.Rand, spec tensor.Spec, shape tensor.Shape) (tensor.Tensor, error) {
	n, ok := shape.Elements()
	if !ok || n > maxElements {
		return tensor.Tensor{}, fmt.Errorf("input %q: a tensor of shape %v is too large to make up", spec.Name, shape)
	}
	t := tensor.Tensor{DType: spec.DType, Shape: shape}
	if spec.DType == tensor.String {
		for range n {
			t.Strings = append(t.Strings, word(r))
		}
		return t, nil
	}
	size := spec.DType.Size()
	if size == 0 {
		return t, fmt.Errorf("input %q: values of type %v cannot be made up; give a request with --body", spec.Name, spec.DType)
	}
	t.Data = make([]byte, 0, int(n)*size)
	le := binary.LittleEndian
	for range n {
		f := float64(r.IntN(2_000_000)-1_000_000) / 1e6
		switch spec.DType {
		case tensor.Float32:
			t.Data = le.AppendUint32(t.Data, math.Float32bits(float32(f)))
		case tensor.Float64:
			t.Data = le.AppendUint64(t.Data, math.Float64bits(f))
		case tensor.BFloat16:
			t.Data = le.AppendUint16(t.Data, uint16(math.Float32bits(float32(f))>>16))
		case tensor.Float16:
			t.Data = le.AppendUint16(t.Data, 0x3800|uint16(r.IntN(1<<10))) // [0.5, 1)
		case tensor.Bool:
			t.Data = append(t.Data, byte(r.IntN(2)))
		case tensor.Uint8: // an image's
			t.Data = append(t.Data, byte(r.IntN(256)))
		case tensor.Complex64, tensor.Complex128:
			return t, fmt.Errorf("input %q: values of type %v cannot be made up; give a request with --body", spec.Name, spec.DType)
		default:
			var b [8]byte
			b[0] = byte(r.IntN(10))
			t.Data = append(t.Data, b[:size]...)
		}
	}
	return t, nil
}

func word(r *rand.Rand) []byte {
	w := make([]byte, 3+r.IntN(10))
	for i := range w {
		w[i] = byte('a' + r.IntN(26))
	}
	return w
}
