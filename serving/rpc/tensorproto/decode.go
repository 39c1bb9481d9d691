package tensorproto

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"

	"shoal/tensor"
)

// Decoder reads the tensors of one request into one arena. Left is how many bytes of memory they may still take
// together; a shape is held against it before anything is allocated.
type Decoder struct {
	Arena *tensor.Arena
	Left  int64
}

// header is what a message says beside its elements.
type header struct {
	dtype    tensor.DType
	shape    tensor.Shape
	elements int64 // -1: the shape is impossible
	content  []byte
}

// Message decodes a generated message.
func (d *Decoder) Message(m *tensor_go_proto.TensorProto) (tensor.Tensor, error) {
	wire, err := proto.Marshal(m)
	if err != nil {
		return tensor.Tensor{}, ErrMalformed
	}
	return d.Decode(wire)
}

// Decode reads one serialised TensorProto. The tensor's memory is the arena's; wire may be reused afterwards.
func (d *Decoder) Decode(wire []byte) (tensor.Tensor, error) {
	h, err := parse(wire)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if h.elements < 0 || !h.dtype.Known() {
		return tensor.Tensor{}, ErrInvalid
	}
	t := tensor.Tensor{DType: h.dtype, Shape: h.shape}
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
	t.Data = d.Arena.Bytes(int(h.elements * size))
	if len(h.content) > 0 {
		copy(t.Data, h.content)
		if h.dtype == tensor.Bool { // a bool is 0 or 1 to every kernel; a client's other bytes must not reach one
			for i, b := range t.Data {
				t.Data[i] = min(b, 1)
			}
		}
		return t, nil
	}
	filled, err := readValues(t.Data, h.dtype, wire)
	if err != nil {
		return tensor.Tensor{}, err
	}
	fill(t.Data, filled, int(size))
	return t, nil
}

// take subtracts the memory of h's elements from what is left.
func (d *Decoder) take(h header, size int64) error {
	if h.elements > d.Left/size {
		return &TooLargeError{Shape: h.shape, DType: h.dtype, Limit: d.Left}
	}
	d.Left -= h.elements * size
	return nil
}

func parse(wire []byte) (header, error) {
	h := header{elements: 1}
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
		default:
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
	if h.shape == nil {
		h.shape = make(tensor.Shape, 0, 4)
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
