package json

import (
	"slices"
	"strconv"
	"strings"

	"shoal/tensor"
)

// Class is one label of a classification with its score.
type Class struct {
	Label []byte // may be empty
	Score float32
}

// AppendPredict appends the answer to a predict request. The outputs are in the order of the signature's; with more than
// one, they are named by their aliases. A string output whose alias ends in _bytes is printed as base64 objects.
func AppendPredict(dst []byte, format Format, sig *tensor.Signature, outputs []tensor.Tensor) ([]byte, error) {
	if len(outputs) == 0 {
		return nil, invalid("Cannot convert empty tensor map to JSON")
	}
	estimate := 32
	for i := range outputs {
		t := &outputs[i]
		if !decodable(t.DType) && t.Len() > 0 {
			return nil, invalidf("Failed to write JSON value for tensor type: %v", t.DType)
		}
		estimate += textSize(t)
	}
	if format == Row {
		return appendRows(slices.Grow(dst, estimate), sig, outputs)
	}
	dst = append(slices.Grow(dst, estimate), `{"outputs":`...)
	if len(outputs) == 1 {
		p := newPrinter(sig, outputs, 0)
		return append(p.value(dst, 0), '}'), nil
	}
	for i := range outputs {
		dst = appendKey(dst, i, sig.Outputs[i].Name)
		p := newPrinter(sig, outputs, i)
		dst = p.value(dst, 0)
	}
	return append(dst, "}}"...), nil
}

func appendRows(dst []byte, sig *tensor.Signature, outputs []tensor.Tensor) ([]byte, error) {
	rows := int64(-1)
	for i := range outputs {
		t := &outputs[i]
		switch {
		case len(t.Shape) == 0:
			return nil, invalidf("Tensor name: %s has no shape information ", sig.Outputs[i].Name)
		case rows >= 0 && t.Shape[0] != rows:
			return nil, invalidf("Tensor name: %s has inconsistent batch size: %d expecting: %d", sig.Outputs[i].Name, t.Shape[0], rows)
		}
		rows = t.Shape[0]
	}
	dst = append(dst, `{"predictions":`...)
	if len(outputs) == 1 {
		p := newPrinter(sig, outputs, 0)
		return append(p.value(dst, 0), '}'), nil
	}
	printers := make([]printer, len(outputs))
	for i := range printers {
		printers[i] = newPrinter(sig, outputs, i)
	}
	dst = append(dst, '[')
	for row := range rows {
		if row > 0 {
			dst = append(dst, ',')
		}
		for i := range printers {
			dst = appendKey(dst, i, sig.Outputs[i].Name)
			dst = printers[i].value(dst, 1)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...), nil
}

// appendKey appends the name of an object's i-th member and what comes before it.
func appendKey(dst []byte, i int, name string) []byte {
	opening := byte(',')
	if i == 0 {
		opening = '{'
	}
	return append(AppendString(append(dst, opening), []byte(name)), ':')
}

// printer prints a tensor's elements in order.
type printer struct {
	tensor  *tensor.Tensor
	asBytes bool
	at      int // elements printed so far
}

func newPrinter(sig *tensor.Signature, outputs []tensor.Tensor, i int) printer {
	return printer{tensor: &outputs[i], asBytes: strings.HasSuffix(sig.Outputs[i].Name, "_bytes")}
}

// value prints the next element of the dimensions from dim on: a nested list, or a scalar if no dimension is left. The depth of the
// recursion is the tensor's rank.
func (p *printer) value(dst []byte, dim int) []byte {
	shape := p.tensor.Shape
	if dim == len(shape) {
		return p.elements(dst, 1)
	}
	dst = append(dst, '[')
	if dim == len(shape)-1 {
		dst = p.elements(dst, int(shape[dim]))
	} else {
		for i := range shape[dim] {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.value(dst, dim+1)
		}
	}
	return append(dst, ']')
}

// elements prints the next n elements with commas between them.
func (p *printer) elements(dst []byte, n int) []byte {
	t, from, to := p.tensor, p.at, p.at+n
	p.at = to
	switch t.DType {
	case tensor.Float32:
		return appendEach(dst, elementsOf[float32](t.Data)[from:to], AppendFloat32)
	case tensor.Float64:
		return appendEach(dst, elementsOf[float64](t.Data)[from:to], AppendFloat64)
	case tensor.Float16:
		return appendEach(dst, elementsOf[uint16](t.Data)[from:to], func(dst []byte, v uint16) []byte { return AppendFloat32(dst, tensor.FromFloat16(v)) })
	case tensor.BFloat16:
		return appendEach(dst, elementsOf[uint16](t.Data)[from:to], func(dst []byte, v uint16) []byte { return AppendFloat32(dst, tensor.FromBFloat16(v)) })
	case tensor.Int8:
		return appendEach(dst, elementsOf[int8](t.Data)[from:to], appendInt)
	case tensor.Int16:
		return appendEach(dst, elementsOf[int16](t.Data)[from:to], appendInt)
	case tensor.Int32:
		return appendEach(dst, elementsOf[int32](t.Data)[from:to], appendInt)
	case tensor.Int64:
		return appendEach(dst, elementsOf[int64](t.Data)[from:to], appendInt)
	case tensor.Uint8:
		return appendEach(dst, t.Data[from:to], appendUint)
	case tensor.Uint16:
		return appendEach(dst, elementsOf[uint16](t.Data)[from:to], appendUint)
	case tensor.Uint32:
		return appendEach(dst, elementsOf[uint32](t.Data)[from:to], appendUint)
	case tensor.Uint64:
		return appendEach(dst, elementsOf[uint64](t.Data)[from:to], appendUint)
	case tensor.Bool:
		return appendEach(dst, t.Data[from:to], func(dst []byte, v byte) []byte { return strconv.AppendBool(dst, v != 0) })
	case tensor.String:
		if p.asBytes {
			return appendEach(dst, t.Strings[from:to], appendBytes)
		}
		return appendEach(dst, t.Strings[from:to], AppendString)
	}
	return dst // an empty tensor of a type that has no JSON form
}

func appendEach[T any](dst []byte, values []T, one func([]byte, T) []byte) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, v)
	}
	return dst
}

func appendInt[T int8 | int16 | int32 | int64](dst []byte, v T) []byte {
	return strconv.AppendInt(dst, int64(v), 10)
}

func appendUint[T uint8 | uint16 | uint32 | uint64](dst []byte, v T) []byte {
	return strconv.AppendUint(dst, uint64(v), 10)
}

// textSize estimates the length of a tensor as JSON.
func textSize(t *tensor.Tensor) int {
	n := t.Len()
	switch t.DType {
	case tensor.Float32:
		return n*13 + 16
	case tensor.Float64:
		return n*21 + 16
	case tensor.String:
		for _, s := range t.Strings {
			n += len(s) + 3
		}
		return n + 16
	}
	return n*(t.DType.Size()*2+2) + 16
}
