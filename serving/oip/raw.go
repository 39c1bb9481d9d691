package oip

import (
	"encoding/binary"
	"math"

	"shoal/tensor"
)

// Decoder makes tensors of one request's inputs. Left is how many bytes of memory they may still take together besides the message.
type Decoder struct {
	Arena *tensor.Arena
	Left  int64
	Model string // for the texts of errors
}

// lengthSize is the size of the length in front of each string.
const lengthSize = 4

// Raw makes a tensor of an input's bytes as they are in a binary request: row-major, little-endian, a bool in a byte, a string behind
// its length in four bytes. The tensor stays in raw, which must not change for as long as the arena lives. Of the shape a copy is kept.
func (d *Decoder) Raw(spec *tensor.Spec, shape tensor.Shape, raw []byte) (tensor.Tensor, error) {
	t := tensor.Tensor{DType: spec.DType, Shape: d.Arena.Shape(shape)}
	elements, err := d.Elements(spec, shape)
	if err != nil {
		return t, err
	}
	if spec.DType == tensor.String {
		t.Strings, err = d.rawStrings(spec, elements, raw)
		return t, err
	}
	size := int64(spec.DType.Size())
	if elements > math.MaxInt64/size || int64(len(raw)) != elements*size {
		return t, d.WrongSize(spec, elements)
	}
	t.Data = raw
	if spec.DType == tensor.Bool {
		t.Data = d.bools(raw)
	}
	return t, nil
}

// Elements is the number of elements of a shape.
func (d *Decoder) Elements(spec *tensor.Spec, shape tensor.Shape) (int64, error) {
	elements, ok := shape.Elements()
	if !ok || len(shape) > maxRank {
		return 0, invalid("invalid shape %v of input '%s' for model '%s'", shape, spec.Name, d.Model)
	}
	return elements, nil
}

// maxRank is TensorFlow's limit.
const maxRank = 254

// WrongSize is the error for an input that has another number of bytes than its shape says.
func (d *Decoder) WrongSize(spec *tensor.Spec, elements int64) error {
	if size := int64(spec.DType.Size()); size > 0 && elements <= math.MaxInt64/size {
		return invalid("unexpected size for input '%s', expecting %d bytes for model '%s'", spec.Name, elements*size, d.Model)
	}
	return invalid("unexpected size for input '%s', expecting %d elements for model '%s'", spec.Name, elements, d.Model)
}

// bools are 0 or 1 to every kernel; a client's other bytes must not reach one.
func (d *Decoder) bools(raw []byte) []byte {
	for i, b := range raw {
		if b <= 1 {
			continue
		}
		clean := d.Arena.Bytes(len(raw))
		copy(clean, raw[:i])
		for k := i; k < len(raw); k++ {
			clean[k] = min(raw[k], 1)
		}
		return clean
	}
	return raw
}

func (d *Decoder) rawStrings(spec *tensor.Spec, elements int64, raw []byte) ([][]byte, error) {
	if elements > int64(len(raw)/lengthSize) {
		return nil, d.WrongSize(spec, elements)
	}
	out, err := d.Strings(spec, elements)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if len(raw) < lengthSize {
			return nil, invalid("incomplete string length indicator for inference input '%s', expecting %d bytes but only %d bytes available. "+
				"Expecting %d string elements for model '%s'.", spec.Name, lengthSize, len(raw), elements, d.Model)
		}
		n := int(binary.LittleEndian.Uint32(raw))
		raw = raw[lengthSize:]
		if n > len(raw) {
			return nil, invalid("incomplete string data for inference input '%s', expecting string of length %d but only %d bytes available. "+
				"Expecting %d string elements for model '%s'.", spec.Name, n, len(raw), elements, d.Model)
		}
		out[i], raw = raw[:n:n], raw[n:]
	}
	if len(raw) > 0 {
		return nil, d.WrongSize(spec, elements)
	}
	return out, nil
}

// Strings is memory for that many strings. They count against what the request may take.
func (d *Decoder) Strings(spec *tensor.Spec, elements int64) ([][]byte, error) {
	if err := d.Take(spec, elements, tensor.StringHeader); err != nil {
		return nil, err
	}
	d.Arena.Use(int(elements) * tensor.StringHeader)
	return make([][]byte, elements), nil
}

// Take subtracts the memory of elements of that size from what is left.
func (d *Decoder) Take(spec *tensor.Spec, elements, size int64) error {
	if elements > d.Left/size {
		return invalid("input '%s' for model '%s' needs more memory than the %d bytes that are left to this request (--max_request_bytes)",
			spec.Name, d.Model, d.Left)
	}
	d.Left -= elements * size
	return nil
}

// RawSize is the number of bytes that AppendRaw writes.
func RawSize(t *tensor.Tensor) int {
	n := len(t.Data)
	for _, s := range t.Strings {
		n += lengthSize + len(s)
	}
	return n
}

// AppendRaw writes a tensor's elements in their binary form.
func AppendRaw(dst []byte, t *tensor.Tensor) []byte {
	for _, s := range t.Strings {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
		dst = append(dst, s...)
	}
	return append(dst, t.Data...)
}
