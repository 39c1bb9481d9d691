package proto

import (
	"google.golang.org/protobuf/encoding/protowire"

	"shoal/tensor"
)

// Message is a tensor that will be written as a TensorProto. It is measured, so that its length can be written before it.
type Message struct {
	Size    int // of the whole serialised TensorProto
	t       *tensor.Tensor
	content bool
	shape   int // bytes of the TensorShapeProto
	values  int // bytes of the elements, without the tags of strings
}

// Measure prepares t, whose memory must stay until Append. The elements go to the typed fields (float_val, …) or,
// with content, to tensor_content.
func Measure(t *tensor.Tensor, content bool) Message {
	m := Message{t: t, content: content}
	for _, d := range t.Shape {
		m.shape += protowire.SizeTag(fieldDim) + protowire.SizeBytes(dimLen(d))
	}
	m.Size = protowire.SizeTag(fieldDType) + protowire.SizeVarint(uint64(t.DType)) +
		protowire.SizeTag(fieldShape) + protowire.SizeBytes(m.shape)
	switch f := fields[t.DType]; {
	case t.Len() == 0:
	case t.DType == tensor.String:
		m.measureStrings()
	case !content:
		m.values = f.PackedSize(t)
		m.Size += protowire.SizeTag(f.Number) + protowire.SizeBytes(m.values)
	default:
		m.values = len(t.Data)
		m.Size += protowire.SizeTag(m.valueField()) + protowire.SizeBytes(m.values)
	}
	return m
}

func (m *Message) measureStrings() {
	for _, s := range m.t.Strings {
		m.values += protowire.SizeBytes(len(s))
	}
	if m.content {
		m.Size += protowire.SizeTag(fieldContent) + protowire.SizeBytes(m.values)
	} else {
		m.Size += m.values + len(m.t.Strings)*protowire.SizeTag(fieldString)
	}
}

func (m *Message) valueField() protowire.Number {
	if m.content {
		return fieldContent
	}
	return fields[m.t.DType].Number
}

// Append writes the message's Size bytes.
func (m *Message) Append(dst []byte) []byte {
	t := m.t
	dst = protowire.AppendTag(dst, fieldDType, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(t.DType))
	dst = protowire.AppendTag(dst, fieldShape, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(m.shape))
	for _, d := range t.Shape {
		dst = protowire.AppendTag(dst, fieldDim, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(dimLen(d)))
		if d != 0 {
			dst = protowire.AppendTag(dst, fieldDimSize, protowire.VarintType)
			dst = protowire.AppendVarint(dst, uint64(d))
		}
	}
	if t.Len() == 0 {
		return dst
	}
	if t.DType == tensor.String && !m.content {
		for _, s := range t.Strings {
			dst = protowire.AppendTag(dst, fieldString, protowire.BytesType)
			dst = protowire.AppendBytes(dst, s)
		}
		return dst
	}
	dst = protowire.AppendTag(dst, m.valueField(), protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(m.values))
	switch {
	case t.DType == tensor.String:
		return appendStringContent(dst, t.Strings)
	case m.content:
		return append(dst, t.Data...)
	}
	return fields[t.DType].AppendPacked(dst, t)
}

// PackedSize returns how many bytes a tensor's elements take in the field, packed. Not for strings.
func (f Field) PackedSize(t *tensor.Tensor) (size int) {
	if f.Wire != protowire.VarintType {
		return len(t.Data)
	}
	var buf [chunk]uint64
	for data := t.Data; len(data) > 0; data = data[min(len(data), chunk*t.DType.Size()):] {
		for _, v := range widen(&buf, t.DType, data) {
			size += protowire.SizeVarint(v)
		}
	}
	return size
}

// AppendPacked appends a tensor's elements in the form of the field, packed and without the field's tag. Not for strings.
func (f Field) AppendPacked(dst []byte, t *tensor.Tensor) []byte {
	if f.Wire != protowire.VarintType {
		return append(dst, t.Data...)
	}
	var buf [chunk]uint64
	for data := t.Data; len(data) > 0; data = data[min(len(data), chunk*t.DType.Size()):] {
		for _, v := range widen(&buf, t.DType, data) {
			dst = protowire.AppendVarint(dst, v)
		}
	}
	return dst
}

func appendStringContent(dst []byte, strings [][]byte) []byte {
	for _, s := range strings {
		dst = protowire.AppendVarint(dst, uint64(len(s)))
	}
	for _, s := range strings {
		dst = append(dst, s...)
	}
	return dst
}

// dimLen returns the length of a Dim message. proto3 leaves out a size of 0.
func dimLen(d int64) int {
	if d == 0 {
		return 0
	}
	return protowire.SizeTag(fieldDimSize) + protowire.SizeVarint(uint64(d))
}
