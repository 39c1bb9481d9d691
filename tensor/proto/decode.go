package proto

import (
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"

	"shoal/tensor"
)

// Decoder reads the tensors of one request. Left is how many bytes of memory they may still take together, wherever it
// comes from; a shape is held against it before anything is allocated.
type Decoder struct {
	Arena *tensor.Arena
	Left  int64
	// Ask is asked, once, before a large tensor is made. nil: nobody is.
	Ask interface {
		Refuses(*tensor.Signature) error
	}
}

// largeTensor is the size from which on a tensor is asked for.
const largeTensor = 64 << 10

// usualRank is how many dimensions a tensor may have without an allocation for them.
const usualRank = 8

// header is what a message says beside its elements.
type header struct {
	dtype    tensor.DType
	shape    tensor.Shape
	elements int64 // -1: the shape is impossible
	content  []byte
	packed   packed
}

// packed is the last packed field of elements, by its number. Its values are the tensor's only ones if there was one
// field of elements in all.
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

// Decode reads one serialised TensorProto. The tensor lies in wire, or in the arena where its elements are not on the
// wire as they are in memory: wire must stay as it is for as long as the arena does.
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
	if len(h.content) > 0 { // a bool is 0 or 1 to every kernel; a client's other bytes must not reach one
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

// inPlace is where on the wire the tensor's elements lie as they do in memory, all of them and in one piece; nil where
// they do not.
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
			h.packed.fields++ // an element by itself, or what nobody knows
			n = protowire.ConsumeFieldValue(num, typ, wire)
		}
		if n < 0 {
			return h, ErrMalformed
		}
		wire = wire[n:]
	}
	return h, nil
}

// addDims reads a TensorShapeProto and multiplies its dimensions into elements; false where it is malformed.
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

// addDim refuses a product that overflows on the way even where a later dimension is 0, as TensorShape::IsValid does.
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
