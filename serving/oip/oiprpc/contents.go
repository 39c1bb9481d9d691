package oiprpc

import (
	"google.golang.org/protobuf/encoding/protowire"

	"shoal/serving/oip"
	"shoal/tensor"
	tensorproto "shoal/tensor/proto"
)

// boolContents is the first field of InferTensorContents, and bytesContents the last.
const (
	boolContents  protowire.Number = 1
	bytesContents protowire.Number = 8
)

// contentsFields are the fields of InferTensorContents for the element types that have one.
var contentsFields = map[tensor.DType]tensorproto.Field{
	tensor.Bool:    {Number: boolContents, Wire: protowire.VarintType},
	tensor.Int8:    {Number: 2, Wire: protowire.VarintType},
	tensor.Int16:   {Number: 2, Wire: protowire.VarintType},
	tensor.Int32:   {Number: 2, Wire: protowire.VarintType},
	tensor.Int64:   {Number: 3, Wire: protowire.VarintType},
	tensor.Uint8:   {Number: 4, Wire: protowire.VarintType},
	tensor.Uint16:  {Number: 4, Wire: protowire.VarintType},
	tensor.Uint32:  {Number: 4, Wire: protowire.VarintType},
	tensor.Uint64:  {Number: 5, Wire: protowire.VarintType},
	tensor.Float32: {Number: 6, Wire: protowire.Fixed32Type},
	tensor.Float64: {Number: 7, Wire: protowire.Fixed64Type},
	tensor.String:  {Number: bytesContents, Wire: protowire.BytesType},
}

// contentsNames are the datatypes that the fields stand for in Triton's texts.
var contentsNames = [...]string{1: "BOOL", 2: "INT32", 3: "INT64", 4: "UINT32", 5: "UINT64", 6: "FP32", 7: "FP64", 8: "BYTES"}

// packedType is how a scalar of a field is written that may be packed.
func packedType(num protowire.Number) protowire.Type {
	switch {
	case num < boolContents || num >= bytesContents:
		return protowire.BytesType
	case num == 6:
		return protowire.Fixed32Type
	case num == 7:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}

// checkContents refuses what is no InferTensorContents.
func checkContents(wire []byte) error {
	return eachField(wire, func(f field) error {
		if f.typ != protowire.BytesType {
			return nil
		}
		switch packedType(f.num) {
		case protowire.Fixed32Type:
			if len(f.value)%4 != 0 {
				return errWire
			}
		case protowire.Fixed64Type:
			if len(f.value)%8 != 0 {
				return errWire
			}
		case protowire.VarintType:
			for packed := f.value; len(packed) > 0; {
				n := 1
				if packed[0] >= 0x80 {
					if _, n = protowire.ConsumeVarint(packed); n < 0 {
						return errWire
					}
				}
				packed = packed[n:]
			}
		}
		return nil
	})
}

// typed makes a tensor of an input's contents. It stays in the message if it is one packed field of fixed-size elements.
func (r *inferRequest) typed(d *oip.Decoder, spec *tensor.Spec, in *input) (t tensor.Tensor, err error) {
	f, ok := contentsFields[spec.DType]
	if !ok {
		return t, invalid("input '%s' of datatype %s for model '%s' must be sent in raw_input_contents", spec.Name, oip.Datatype(spec.DType), r.name)
	}
	if err := r.checkField(spec, f, in.contents); err != nil {
		return t, err
	}
	shape := r.shapeOf(in)
	elements, err := d.Elements(spec, shape)
	if err != nil {
		return t, err
	}
	n, packed := f.Count(in.contents)
	if int64(n) != elements {
		return t, d.WrongSize(spec, elements)
	}
	t = tensor.Tensor{DType: spec.DType, Shape: d.Arena.Shape(shape)}
	size := spec.DType.Size()
	switch {
	case spec.DType == tensor.String:
		t.Strings, err = typedStrings(d, spec, in.contents, elements)
	case packed != nil && len(packed) == n*size && f.Wire != protowire.VarintType:
		t.Data = packed
	default:
		if err := d.Take(spec, elements, int64(size)); err != nil {
			return t, err
		}
		t.Data = d.Arena.Bytes(n * size)
		if _, err = f.Read(t.Data, spec.DType, in.contents); err != nil {
			err = invalid("input '%s' for model '%s': %v", spec.Name, r.name, err)
		}
	}
	return t, err
}

// checkField refuses elements in a field that is another datatype's.
func (r *inferRequest) checkField(spec *tensor.Spec, want tensorproto.Field, contents []byte) error {
	return eachField(contents, func(f field) error {
		known := f.num >= boolContents && f.num <= bytesContents && (f.typ == protowire.BytesType || f.typ == packedType(f.num))
		if !known || f.num == want.Number || f.typ == protowire.BytesType && len(f.value) == 0 && f.num != bytesContents {
			return nil
		}
		return invalid("unexpected explicit tensor data for input tensor '%s' for model '%s' of type '%s', expected datatype '%s'",
			spec.Name, r.name, contentsNames[f.num], oip.Datatype(spec.DType))
	})
}

func typedStrings(d *oip.Decoder, spec *tensor.Spec, contents []byte, elements int64) ([][]byte, error) {
	list, err := d.Strings(spec, elements)
	if err != nil {
		return nil, err
	}
	next := 0
	err = eachField(contents, func(f field) error {
		if f.num == bytesContents && f.typ == protowire.BytesType {
			list[next] = f.value
			next++
		}
		return nil
	})
	return list, err
}
