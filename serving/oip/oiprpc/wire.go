package oiprpc

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"shoal/serving/oip"
)

// field is one field of a message.
type field struct {
	num    protowire.Number
	typ    protowire.Type
	number uint64 // of Varint, Fixed32 and Fixed64
	value  []byte // of Bytes
}

// eachField hands over the fields of a message, in their order, but for groups, which no message here has.
func eachField(wire []byte, each func(field) error) error {
	for len(wire) > 0 {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 || num > protowire.MaxValidNumber {
			return errWire
		}
		wire = wire[n:]
		f := field{num: num, typ: typ}
		switch typ {
		case protowire.BytesType:
			f.value, n = protowire.ConsumeBytes(wire)
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(wire)
		case protowire.Fixed64Type:
			f.number, n = protowire.ConsumeFixed64(wire)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(wire)
			f.number = uint64(v)
		default:
			n = protowire.ConsumeFieldValue(num, typ, wire)
		}
		if n < 0 {
			return errWire
		}
		wire = wire[n:]
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// The fields of a map's entry, and of InferParameter.
const (
	entryKey   protowire.Number = 1
	entryValue protowire.Number = 2

	boolParam   protowire.Number = 1
	int64Param  protowire.Number = 2
	stringParam protowire.Number = 3
	doubleParam protowire.Number = 4
	uint64Param protowire.Number = 5
)

// parameter is an entry of a map of parameters.
type parameter struct {
	key    []byte
	kind   oip.Kind
	number uint64 // its bits
	text   []byte
}

// value is the parameter's value in memory of its own.
func (p *parameter) value() oip.Value {
	v := oip.Value{Kind: p.kind}
	switch p.kind {
	case oip.Bool:
		v.Bool = p.number != 0
	case oip.Int:
		v.Int = int64(p.number)
	case oip.Uint:
		v.Uint = p.number
	case oip.Double:
		v.Double = math.Float64frombits(p.number)
	case oip.String:
		v.String = string(p.text)
	}
	return v
}

func readParameter(entry []byte) (p parameter, err error) {
	err = eachField(entry, func(f field) (err error) {
		switch {
		case f.typ != protowire.BytesType:
		case f.num == entryKey:
			p.key, err = text(f.value)
		case f.num == entryValue:
			err = p.readValue(f.value)
		}
		return err
	})
	return p, err
}

// readValue reads an InferParameter, of which the last field counts.
func (p *parameter) readValue(wire []byte) error {
	return eachField(wire, func(f field) (err error) {
		switch {
		case f.num == boolParam && f.typ == protowire.VarintType:
			p.kind, p.number = oip.Bool, f.number
		case f.num == int64Param && f.typ == protowire.VarintType:
			p.kind, p.number = oip.Int, f.number
		case f.num == uint64Param && f.typ == protowire.VarintType:
			p.kind, p.number = oip.Uint, f.number
		case f.num == doubleParam && f.typ == protowire.Fixed64Type:
			p.kind, p.number = oip.Double, f.number
		case f.num == stringParam && f.typ == protowire.BytesType:
			p.kind = oip.String
			p.text, err = text(f.value)
		}
		return err
	})
}
