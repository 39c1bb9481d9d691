package proto

import (
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"

	"shoal/tensor"
)

// Decoder reads the tensors of one request. Left is how many bytes of memory they may still take together. A shape is checked
// against it before anything is allocated.
type Decoder struct {
	Arena *tensor.Arena
	Left  int64
	// Ask is called once, before a large tensor is made; nil: it is not.
	Ask interface {
		Refuses(*tensor.Signature) error
	}
}

// largeTensor is the size, in bytes, from which Ask is called.
const largeTensor = 64 << 10

// usualRank is the number of dimensions up to which a shape needs no allocation.
const usualRank = 8

// header holds the fields of a message except its elements.
type header struct {
	dtype    tensor.DType
	shape    tensor.Shape
	elements int64 // -1: the shape is impossible
	content  []byte
	packed   packed
}

// packed is the last packed field of elements, by its number. If there was only one field of elements, its values are all of the
// tensor's.
type packed struct {
	field  protowire.Number
	values []byte
	fields int
}

// Message decodes a generated message.
func (d *Decoder) Message(m *tensor_go_proto.TensorProto) (tensor.Tensor, error) {
	wire, err := proto.Marshal(m)
	if err != nil {
		return tensor.Tensor{}, ErrMalformed
	}
	return d.Decode(wire)
}

// Decode reads one serialised TensorProto. If the elements have the same form in wire and in memory, the tensor refers to wire;
// otherwise they are copied to the arena. wire must not change while the arena is in use.
func (d *Decoder) Decode(wire []byte) (tensor.Tensor, error) {
	var dims [usualRank]int64
	h, err := parse(wire, dims[:0])
	if err != nil {
		return tensor.Tensor{}, err
	}
	if h.elements < 0 || !h.dtype.Known() {
		return tensor.Tensor{}, ErrInvalid
	}
	t := tensor.Tensor{DType: h.dtype, Shape: d.Arena.Shape(h.shape)}
	if h.dtype == tensor.String {
		t.Strings, err = d.strings(h, wire)
		return t, err
	}
	size := int64(h.dtype.Size())
	if len(h.content) > 0 && (h.elements > math.MaxInt64/size || int64(len(h.content)) != h.elements*size) && h.elements > 0 {
		return tensor.Tensor{}, ErrInvalid
	}
	if err := d.take(h, size); err != nil {
		return tensor.Tensor{}, err
	}
	if t.Data = h.inPlace(int(h.elements * size)); t.Data != nil {
		return t, nil
	}
	t.Data = d.Arena.Bytes(int(h.elements * size))
	if len(h.content) > 0 { // kernels expect a bool to be 0 or 1, so other bytes of a client must not reach them
		for i, b := range h.content[:len(t.Data)] {
			t.Data[i] = min(b, 1)
		}
		return t, nil
	}
	filled, err := fields[h.dtype].Read(t.Data, h.dtype, wire)
	if err != nil {
		return tensor.Tensor{}, err
	}
	fill(t.Data, filled, int(size))
	return t, nil
}

// inPlace returns the part of the wire that has all of the tensor's elements in one piece and in the form that they have in
// memory. It returns nil if there is none.
func (h *header) inPlace(size int) []byte {
	if len(h.content) > 0 {
		if h.dtype == tensor.Bool || len(h.content) != size {
			return nil
		}
		return h.content
	}
	f := fields[h.dtype]
	fixed := f.Wire == protowire.Fixed32Type || f.Wire == protowire.Fixed64Type
	if p := &h.packed; fixed && p.fields == 1 && p.field == f.Number && len(p.values) == size && size > 0 {
		return p.values
	}
	return nil
}

// take subtracts the memory of h's elements from what is left.
func (d *Decoder) take(h header, size int64) error {
	if h.elements > d.Left/size {
		return h.tooLarge(d.Left)
	}
	d.Left -= h.elements * size
	if ask := d.Ask; ask != nil && h.elements > largeTensor/size {
		d.Ask = nil
		return ask.Refuses(nil)
	}
	return nil
}

func (h *header) tooLarge(left int64) error {
	return &TooLargeError{Shape: slices.Clone(h.shape), DType: h.dtype, Limit: left}
}

// parse reads all but the elements; dims is memory for the shape.
func parse(wire []byte, dims tensor.Shape) (header, error) {
	h := header{elements: 1, shape: dims}
	for len(wire) > 0 {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return h, ErrMalformed
		}
		wire = wire[n:]
		switch {
		case num == fieldDType && typ == protowire.VarintType:
			var v uint64
			v, n = protowire.ConsumeVarint(wire)
			h.dtype = tensor.DType(int32(v))
		case num == fieldShape && typ == protowire.BytesType:
			var shape []byte
			shape, n = protowire.ConsumeBytes(wire)
			if n >= 0 && !h.addDims(shape) {
				return h, ErrMalformed
			}
		case num == fieldContent && typ == protowire.BytesType:
			h.content, n = protowire.ConsumeBytes(wire)
		case num >= fieldFloat && typ == protowire.BytesType:
			h.packed.field, h.packed.fields = num, h.packed.fields+1
			h.packed.values, n = protowire.ConsumeBytes(wire)
		default:
			h.packed.fields++ // a single element, or an unknown field
			n = protowire.ConsumeFieldValue(num, typ, wire)
		}
		if n < 0 {
			return h, ErrMalformed
		}
		wire = wire[n:]
	}
	return h, nil
}

// addDims reads a TensorShapeProto and multiplies its dimensions into elements. It returns false if the message is malformed.
func (h *header) addDims(wire []byte) bool {
	for len(wire) > 0 {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return false
		}
		wire = wire[n:]
		if num != fieldDim || typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, wire); n < 0 {
				return false
			}
			wire = wire[n:]
			continue
		}
		dim, n := protowire.ConsumeBytes(wire)
		if n < 0 {
			return false
		}
		wire = wire[n:]
		size, ok := dimSize(dim)
		if !ok {
			return false
		}
		h.addDim(size)
	}
	return true
}

// addDim rejects a product that overflows on the way, even if a later dimension is 0, as TensorShape::IsValid does.
func (h *header) addDim(size int64) {
	switch {
	case h.elements < 0:
		return
	case size < 0, len(h.shape) == maxDims, size > 0 && h.elements > math.MaxInt64/size:
		h.elements = -1
		return
	}
	h.shape = append(h.shape, size)
	h.elements *= size
}

func dimSize(wire []byte) (size int64, ok bool) {
	for len(wire) > 0 {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return 0, false
		}
		wire = wire[n:]
		if num == fieldDimSize && typ == protowire.VarintType {
			var v uint64
			v, n = protowire.ConsumeVarint(wire)
			size = int64(v)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, wire)
		}
		if n < 0 {
			return 0, false
		}
		wire = wire[n:]
	}
	return size, true
}
