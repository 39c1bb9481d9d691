package tensorproto

import (
	"google.golang.org/protobuf/encoding/protowire"

	"shoal/tensor"
)

// readValues copies the elements of d's own field into dst, packed or not, and says how many bytes it filled. Elements
// beyond dst are left out.
func readValues(dst []byte, d tensor.DType, wire []byte) (filled int, err error) {
	f, size := fields[d], d.Size()
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
		if num == f.number && (typ == f.wire || typ == protowire.BytesType) {
			payload := wire[:n]
			if typ == protowire.BytesType {
				payload, _ = protowire.ConsumeBytes(wire)
			}
			var ok bool
			if f.wire == protowire.VarintType {
				var read int
				read, ok = readVarints(dst[filled:], d, payload)
				filled += read
			} else {
				filled += copy(dst[filled:], payload)
				ok = len(payload)%scalarSize(f.wire) == 0
			}
			if !ok {
				return 0, ErrMalformed
			}
		}
		wire = wire[n:]
	}
	return filled - filled%size, nil // half a complex number is none
}

func scalarSize(t protowire.Type) int {
	if t == protowire.Fixed32Type {
		return 4
	}
	return 8
}

// readVarints reads a packed payload to its end, to check it, and stores what dst has room for.
func readVarints(dst []byte, d tensor.DType, payload []byte) (filled int, ok bool) {
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
					return 0, false
				}
				buf[k] = v
				payload = payload[n:]
			}
			k++
		}
		k = min(k, (len(dst)-filled)/size)
		narrow(dst[filled:], d, buf[:k])
		filled += k * size
	}
	return filled, true
}

// fill completes data after its first filled bytes: with its last element, or with zeros where there is none.
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

// stringHeader is the memory that a string takes beside its bytes: the slice that points at them.
const stringHeader = 24

// strings reads a string tensor: string_val, or tensor_content with all lengths first and then all bytes.
func (d *Decoder) strings(h header, wire []byte) ([][]byte, error) {
	if err := d.take(h, stringHeader); err != nil {
		return nil, err
	}
	if h.elements == 0 {
		return [][]byte{}, nil
	}
	if len(h.content) > 0 {
		return d.stringContent(h)
	}
	n := int(h.elements)
	count, total, err := eachString(wire, n, func([]byte) {})
	if err != nil {
		return nil, err
	}
	if int64(total) > d.Left {
		return nil, &TooLargeError{Shape: h.shape, DType: h.dtype, Limit: d.Left}
	}
	d.Left -= int64(total)
	out, memory := make([][]byte, 0, n), d.Arena.Bytes(total)
	eachString(wire, n, func(s []byte) {
		k := copy(memory, s)
		out = append(out, memory[:k:k])
		memory = memory[k:]
	})
	for last := []byte{}; len(out) < n; out = append(out, last) {
		if count > 0 {
			last = out[count-1]
		}
	}
	return out, nil
}

// eachString calls f for the first limit values of string_val, and gives their number and how long they are together.
func eachString(wire []byte, limit int, f func([]byte)) (count, total int, err error) {
	for len(wire) > 0 && count < limit {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return 0, 0, ErrMalformed
		}
		wire = wire[n:]
		if num == fieldString && typ == protowire.BytesType {
			s, m := protowire.ConsumeBytes(wire)
			if m < 0 {
				return 0, 0, ErrMalformed
			}
			f(s)
			count++
			total += len(s)
			n = m
		} else if n = protowire.ConsumeFieldValue(num, typ, wire); n < 0 {
			return 0, 0, ErrMalformed
		}
		wire = wire[n:]
	}
	return count, total, nil
}

func (d *Decoder) stringContent(h header) ([][]byte, error) {
	// Each string has at least one byte of length, so a shape that promises more strings than bytes allocates nothing.
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
		return nil, &TooLargeError{Shape: h.shape, DType: h.dtype, Limit: d.Left}
	}
	d.Left -= int64(len(rest))
	memory := d.Arena.Bytes(len(rest))
	copy(memory, rest)
	out := make([][]byte, h.elements)
	for i, n := range lengths {
		out[i], memory = memory[:n:n], memory[n:]
	}
	return out, nil
}
