package rpc

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The fields of PredictRequest that matter here, and of a map's entry.
const (
	predictModelSpec    protowire.Number = 1
	predictInputs       protowire.Number = 2
	predictOutputFilter protowire.Number = 3

	entryKey   protowire.Number = 1
	entryValue protowire.Number = 2
)

var (
	errWire = errors.New("malformed message")
	errUTF8 = errors.New("string field contains invalid UTF-8")
)

// predictRequest is a PredictRequest in serialised form. Its tensors are decoded when the model is known, and stay in the message
// if possible. The message is in the request's arena, to which it is copied from its frames.
type predictRequest struct {
	ArenaCarrier
	spec    *apis_go_proto.ModelSpec // nil: not sent
	inputs  []wireInput              // sorted by alias, none twice
	filter  []string
	outputs []wireOutput
	server  *Server // whose it is

	ownSpec apis_go_proto.ModelSpec // memory for spec
}

// wireInput is one entry of the map of inputs; proto is its serialised TensorProto.
type wireInput struct {
	alias []byte
	proto []byte
}

// Unmarshal implements WireRequest.
func (r *predictRequest) Unmarshal(data mem.BufferSlice) error {
	return r.read(r.Keep(data))
}

func (r *predictRequest) read(wire []byte) error {
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
			r.spec = &r.ownSpec
			if !readNames(r.spec, value) {
				_, err = mergeModelSpec(r.spec, value)
			}
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
	return nil
}

// readNames reads a model_spec that has only names, like most. It gives up at anything else; then all of it is read again.
func readNames(spec *apis_go_proto.ModelSpec, wire []byte) bool {
	for len(wire) > 0 {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 || typ != protowire.BytesType || num != specName && num != specSignature {
			return false
		}
		value, m := protowire.ConsumeBytes(wire[n:])
		if m < 0 || !utf8.Valid(value) {
			return false
		}
		if num == specName {
			spec.Name = string(value)
		} else {
			spec.SignatureName = string(value)
		}
		wire = wire[n+m:]
	}
	return true
}

// mergeModelSpec reads a model_spec. A second one is merged into the first, as protobuf requires.
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
			in.alias = value
		case num == entryValue && in.proto == nil:
			in.proto = value
		case num == entryValue: // serialised messages one after the other are one merged message
			in.proto = slices.Concat(in.proto, value)
		}
	}
	r.inputs = append(r.inputs, in)
	return nil
}

// sortInputs sorts the inputs by alias. Of several with the same alias it keeps the last one sent.
func (r *predictRequest) sortInputs() {
	slices.SortStableFunc(r.inputs, func(a, b wireInput) int { return bytes.Compare(a.alias, b.alias) })
	kept := r.inputs[:0]
	for i, in := range r.inputs {
		if i+1 == len(r.inputs) || !bytes.Equal(r.inputs[i+1].alias, in.alias) {
			kept = append(kept, in)
		}
	}
	r.inputs = kept
}

// input returns the serialised tensor that was sent with this alias.
func (r *predictRequest) input(alias string) ([]byte, bool) {
	i, ok := slices.BinarySearchFunc(r.inputs, alias, func(in wireInput, a string) int {
		switch {
		case string(in.alias) < a:
			return -1
		case string(in.alias) > a:
			return 1
		}
		return 0
	})
	if !ok {
		return nil, false
	}
	return r.inputs[i].proto, true
}

// Recycle releases the message's memory and makes the request ready for another call. What a batch may still read belongs to the
// arena.
func (r *predictRequest) Recycle() {
	r.Drop()
	clear(r.inputs)
	clear(r.outputs)
	r.ownSpec.Reset()
	r.spec, r.filter = nil, nil
	r.inputs, r.outputs = r.inputs[:0], r.outputs[:0]
}
