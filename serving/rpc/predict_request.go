package rpc

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The fields of PredictRequest and PredictResponse that matter here, and of a map's entry.
const (
	predictModelSpec    protowire.Number = 1
	predictInputs       protowire.Number = 2
	predictOutputFilter protowire.Number = 3

	predictOutputs           protowire.Number = 1
	predictResponseModelSpec protowire.Number = 2

	entryKey   protowire.Number = 1
	entryValue protowire.Number = 2
)

var (
	errWire = errors.New("malformed message")
	errUTF8 = errors.New("string field contains invalid UTF-8")
)

// predictRequest is a PredictRequest whose tensors are still on the wire: they are decoded once it is known that there
// is a model for them.
type predictRequest struct {
	spec   *apis_go_proto.ModelSpec // nil: not sent
	inputs []wireInput              // sorted by alias, none twice
	filter []string
	buf    mem.Buffer
}

// wireInput is one entry of the map of inputs; proto is its serialised TensorProto.
type wireInput struct {
	alias string
	proto []byte
}

func (r *predictRequest) unmarshal(buf mem.Buffer) error {
	wire := buf.ReadOnlyData()
	for len(wire) > 0 {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return errWire
		}
		wire = wire[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, wire); n < 0 {
				return errWire
			}
			wire = wire[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(wire)
		if n < 0 {
			return errWire
		}
		wire = wire[n:]
		var err error
		switch num {
		case predictModelSpec:
			r.spec, err = mergeModelSpec(r.spec, value)
		case predictInputs:
			err = r.addInput(value)
		case predictOutputFilter:
			if !utf8.Valid(value) {
				err = errUTF8
			}
			r.filter = append(r.filter, string(value))
		}
		if err != nil {
			return err
		}
	}
	r.sortInputs()
	r.buf = buf
	return nil
}

// mergeModelSpec reads a model_spec; a second one is merged into the first, as protobuf has it.
func mergeModelSpec(spec *apis_go_proto.ModelSpec, wire []byte) (*apis_go_proto.ModelSpec, error) {
	if spec == nil {
		spec = new(apis_go_proto.ModelSpec)
	}
	return spec, proto.UnmarshalOptions{Merge: true}.Unmarshal(wire, spec)
}

func (r *predictRequest) addInput(entry []byte) error {
	var in wireInput
	for len(entry) > 0 {
		num, typ, n := protowire.ConsumeTag(entry)
		if n < 0 {
			return errWire
		}
		entry = entry[n:]
		var value []byte
		if typ == protowire.BytesType {
			value, n = protowire.ConsumeBytes(entry)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, entry)
		}
		if n < 0 {
			return errWire
		}
		entry = entry[n:]
		switch {
		case typ != protowire.BytesType:
		case num == entryKey:
			if !utf8.Valid(value) {
				return errUTF8
			}
			in.alias = string(value)
		case num == entryValue && in.proto == nil:
			in.proto = value
		case num == entryValue: // serialised messages one after the other are one merged message
			in.proto = slices.Concat(in.proto, value)
		}
	}
	r.inputs = append(r.inputs, in)
	return nil
}

// sortInputs orders the inputs by alias; of several with the same alias the last one sent stays.
func (r *predictRequest) sortInputs() {
	slices.SortStableFunc(r.inputs, func(a, b wireInput) int { return strings.Compare(a.alias, b.alias) })
	kept := r.inputs[:0]
	for i, in := range r.inputs {
		if i+1 == len(r.inputs) || r.inputs[i+1].alias != in.alias {
			kept = append(kept, in)
		}
	}
	r.inputs = kept
}

// input is the serialised tensor sent under this alias.
func (r *predictRequest) input(alias string) ([]byte, bool) {
	i, ok := slices.BinarySearchFunc(r.inputs, alias, func(in wireInput, a string) int { return strings.Compare(in.alias, a) })
	if !ok {
		return nil, false
	}
	return r.inputs[i].proto, true
}

// free gives the wire's buffer back; nothing of the request may be read afterwards.
func (r *predictRequest) free() {
	if r.buf != nil {
		r.buf.Free()
		r.buf = nil
	}
}
