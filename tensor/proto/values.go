package proto

import (
	"google.golang.org/protobuf/encoding/protowire"

	"shoal/tensor"
)

// Read copies the elements of the field, which are of type d, from a message to dst, and returns how many bytes it filled. The
// elements may be packed or not. Elements for which dst has no room are left out. Not for strings.
func (f Field) Read(dst []byte, d tensor.DType, wire []byte) (filled int, err error) {
	size := d.Size()
	for len(wire) > 0 {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return 0, ErrMalformed
		}
		wire = wire[n:]
		n = protowire.ConsumeFieldValue(num, typ, wire)
		if n < 0 {
			return 0, ErrMalformed
		}
		if num == f.Number && (typ == f.Wire || typ == protowire.BytesType) {
			payload := wire[:n]
			if typ == protowire.BytesType {
				payload, _ = protowire.ConsumeBytes(wire)
			}
			if f.Wire == protowire.VarintType {
				if filled, err = readVarints(dst, filled, d, payload); err != nil {
					return 0, err
				}
			} else {
				filled += copy(dst[filled:], payload)
				if len(payload)%scalarSize(f.Wire) != 0 {
					return 0, ErrMalformed
				}
			}
		}
		wire = wire[n:]
	}
	return filled - filled%size, nil // half a complex number does not count
}

// Count returns how many elements a well-formed message has in the field. If all are in one packed piece, packed is that piece.
func (f Field) Count(wire []byte) (n int, packed []byte) {
	pieces := 0
	for len(wire) > 0 {
		num, typ, k := protowire.ConsumeTag(wire)
		if k < 0 {
			return n, nil
		}
		wire = wire[k:]
		if k = protowire.ConsumeFieldValue(num, typ, wire); k < 0 {
			return n, nil
		}
		if num == f.Number && (typ == f.Wire || typ == protowire.BytesType) {
			pieces++
			packed = nil
			if typ == protowire.BytesType && f.Wire != protowire.BytesType {
				packed, _ = protowire.ConsumeBytes(wire)
				n += f.scalars(packed)
			} else {
				n++
			}
		}
		wire = wire[k:]
	}
	if pieces > 1 {
		packed = nil
	}
	return n, packed
}

// scalars returns the number of scalars in a packed piece.
func (f Field) scalars(packed []byte) (n int) {
	if f.Wire != protowire.VarintType {
		return len(packed) / scalarSize(f.Wire)
	}
	for _, b := range packed {
		if b < 0x80 {
			n++
		}
	}
	return n
}

func scalarSize(t protowire.Type) int {
	if t == protowire.Fixed32Type {
		return 4
	}
	return 8
}

// readVarints reads a packed payload to its end, to check it. It stores the elements for which dst has room after its first
// filled bytes.
func readVarints(dst []byte, filled int, d tensor.DType, payload []byte) (int, error) {
	var buf [chunk]uint64
	size := d.Size()
	for len(payload) > 0 {
		k := 0
		for k < chunk && len(payload) > 0 {
			if b := payload[0]; b < 0x80 {
				buf[k] = uint64(b)
				payload = payload[1:]
			} else {
				v, n := protowire.ConsumeVarint(payload)
				if n < 0 {
					return 0, ErrMalformed
				}
				buf[k] = v
				payload = payload[n:]
			}
			k++
		}
		k = min(k, (len(dst)-filled)/size)
		if i := outOfRange(d, buf[:k]); i >= 0 {
			return 0, &RangeError{int32(buf[i]), d, filled/size + i}
		}
		narrow(dst[filled:], d, buf[:k])
		filled += k * size
	}
	return filled, nil
}

// fill completes data after its first filled bytes: with the last element, or with zeros if there is none.
func fill(data []byte, filled, size int) {
	if filled == 0 {
		clear(data)
		return
	}
	from := filled - size
	for done := size; filled < len(data); done *= 2 {
		filled += copy(data[filled:], data[from:from+done])
	}
}

// strings reads a string tensor: string_val, or tensor_content with all lengths first and then all bytes. The strings refer to
// the wire.
func (d *Decoder) strings(h header, wire []byte) ([][]byte, error) {
	if err := d.take(h, tensor.StringHeader); err != nil {
		return nil, err
	}
	if h.elements == 0 {
		return [][]byte{}, nil
	}
	d.Arena.Use(int(h.elements) * tensor.StringHeader)
	if len(h.content) > 0 {
		return d.stringContent(h)
	}
	n, last, total := int(h.elements), []byte{}, int64(0)
	out := make([][]byte, 0, n)
	for len(wire) > 0 && len(out) < n {
		num, typ, k := protowire.ConsumeTag(wire)
		if k < 0 {
			return nil, ErrMalformed
		}
		wire = wire[k:]
		if num == fieldString && typ == protowire.BytesType {
			if last, k = protowire.ConsumeBytes(wire); k < 0 {
				return nil, ErrMalformed
			}
			out, total = append(out, last), total+int64(len(last))
		} else if k = protowire.ConsumeFieldValue(num, typ, wire); k < 0 {
			return nil, ErrMalformed
		}
		wire = wire[k:]
	}
	// The last string is repeated for those that are missing. Here they share its bytes, but a model gets a copy of each.
	total += int64(n-len(out)) * int64(len(last))
	if total > d.Left {
		return nil, h.tooLarge(d.Left)
	}
	d.Left -= total
	for len(out) < n {
		out = append(out, last)
	}
	return out, nil
}

func (d *Decoder) stringContent(h header) ([][]byte, error) {
	// The length of each string takes at least one byte, so a shape with more strings than bytes allocates nothing.
	if h.elements > int64(len(h.content)) {
		return nil, ErrInvalid
	}
	rest, total := h.content, uint64(0)
	lengths := make([]uint32, h.elements)
	for i := range lengths {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 || n > 5 || v > 1<<32-1 {
			return nil, ErrInvalid
		}
		lengths[i], rest, total = uint32(v), rest[n:], total+v
	}
	if total != uint64(len(rest)) {
		return nil, ErrInvalid
	}
	if int64(len(rest)) > d.Left {
		return nil, h.tooLarge(d.Left)
	}
	d.Left -= int64(len(rest))
	out := make([][]byte, h.elements)
	for i, n := range lengths {
		out[i], rest = rest[:n:n], rest[n:]
	}
	return out, nil
}
