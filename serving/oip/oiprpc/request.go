package oiprpc

import (
	"errors"
	"slices"
	"unicode/utf8"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"shoal/serving/oip"
	"shoal/serving/rpc"
	"shoal/tensor"
)

// The fields of ModelInferRequest, of its inputs and of its requested outputs.
const (
	requestModel      protowire.Number = 1
	requestVersion    protowire.Number = 2
	requestID         protowire.Number = 3
	requestParameters protowire.Number = 4
	requestInputs     protowire.Number = 5
	requestOutputs    protowire.Number = 6
	requestRaw        protowire.Number = 7

	tensorName       protowire.Number = 1
	tensorDatatype   protowire.Number = 2
	tensorShape      protowire.Number = 3
	tensorParameters protowire.Number = 4
	tensorContents   protowire.Number = 5

	outputName       protowire.Number = 1
	outputParameters protowire.Number = 2
)

var (
	errWire    = errors.New("malformed message")
	errUTF8    = errors.New("string field contains invalid UTF-8")
	errTooMany = errors.New("more than 16384 inputs, outputs, raw contents or parameters")
)

const (
	// maxParts bounds the parts of a request: one takes more memory than its two bytes on the wire.
	maxParts = 1 << 14
	// maxDims is more dimensions than a tensor can have; further ones are not kept.
	maxDims = 255
)

// inferRequest is a ModelInferRequest as it was sent. It lies in the request's arena; everything here points into it. Its tensors are made
// once it is known that there is a model for them.
type inferRequest struct {
	rpc.ArenaCarrier
	model, version, id []byte
	parameters         []parameter
	inputs             []input
	outputs            []output
	raw                [][]byte
	dims               tensor.Shape // of all inputs
	parts              int          // inputs, outputs, raw contents and parameters, all together

	name     string // of the model
	settings oip.Settings
	server   *service
	streamed bool // it came by ModelStreamInfer
	answer   []answerOutput
}

// input is one of the inputs, without its raw contents.
type input struct {
	name, datatype []byte
	shape          [2]int // where in dims
	contents       []byte // the serialised InferTensorContents
	typed          bool   // contents were sent, maybe empty
	shared         string // a parameter of shared memory; "": there is none
}

// output is one of the requested outputs.
type output struct {
	name       []byte
	parameters []parameter
}

// ModelName implements rpc.WireRequest.
func (r *inferRequest) ModelName() string { return r.name }

// Unmarshal implements rpc.WireRequest.
func (r *inferRequest) Unmarshal(data mem.BufferSlice) error {
	err := r.read(r.Keep(data))
	r.name = string(r.model)
	return err
}

// Recycle makes the request ready for another call.
func (r *inferRequest) Recycle() {
	r.Drop()
	clear(r.parameters)
	clear(r.inputs)
	clear(r.outputs)
	clear(r.raw)
	clear(r.answer)
	*r = inferRequest{
		ArenaCarrier: r.ArenaCarrier, parameters: r.parameters[:0], inputs: r.inputs[:0], outputs: r.outputs[:0], raw: r.raw[:0], dims: r.dims[:0],
		answer: r.answer[:0],
	}
}

// read takes the message apart. It accepts what the generated type does.
func (r *inferRequest) read(wire []byte) error {
	return eachField(wire, func(f field) (err error) {
		switch {
		case f.typ != protowire.BytesType:
		case f.num == requestModel:
			r.model, err = text(f.value)
		case f.num == requestVersion:
			r.version, err = text(f.value)
		case f.num == requestID:
			r.id, err = text(f.value)
		case f.num == requestParameters:
			r.parameters, err = r.addParameter(r.parameters, f.value)
		case f.num == requestInputs:
			err = r.addInput(f.value)
		case f.num == requestOutputs:
			err = r.addOutput(f.value)
		case f.num == requestRaw:
			r.raw = append(r.raw, f.value)
			err = r.countPart()
		}
		return err
	})
}

// countPart counts one more part of the request.
func (r *inferRequest) countPart() error {
	if r.parts++; r.parts > maxParts {
		return errTooMany
	}
	return nil
}

func (r *inferRequest) addParameter(all []parameter, entry []byte) ([]parameter, error) {
	if err := r.countPart(); err != nil {
		return all, err
	}
	p, err := readParameter(entry)
	return append(all, p), err
}

func (r *inferRequest) addInput(wire []byte) error {
	if err := r.countPart(); err != nil {
		return err
	}
	in := input{shape: [2]int{len(r.dims), len(r.dims)}}
	err := eachField(wire, func(f field) (err error) {
		switch {
		case f.num == tensorShape:
			err = r.addDims(&in, f)
		case f.typ != protowire.BytesType:
		case f.num == tensorName:
			in.name, err = text(f.value)
		case f.num == tensorDatatype:
			in.datatype, err = text(f.value)
		case f.num == tensorParameters:
			var p parameter
			if p, err = readParameter(f.value); oip.SharedMemory(string(p.key)) != nil {
				in.shared = string(p.key)
			}
		case f.num == tensorContents:
			if err = checkContents(f.value); in.typed { // serialised messages one after the other are one merged message
				in.contents = append(in.contents, f.value...)
			} else {
				in.contents = slices.Clip(f.value)
			}
			in.typed = true
		}
		return err
	})
	in.shape[1] = len(r.dims)
	r.inputs = append(r.inputs, in)
	return err
}

// addDims reads dimensions, packed or not.
func (r *inferRequest) addDims(in *input, f field) error {
	add := func(v uint64) {
		if len(r.dims)-in.shape[0] < maxDims {
			r.dims = append(r.dims, int64(v))
		}
	}
	switch f.typ {
	case protowire.VarintType:
		add(f.number)
	case protowire.BytesType:
		for packed := f.value; len(packed) > 0; {
			v, n := protowire.ConsumeVarint(packed)
			if n < 0 {
				return errWire
			}
			add(v)
			packed = packed[n:]
		}
	}
	return nil
}

func (r *inferRequest) shapeOf(in *input) tensor.Shape { return r.dims[in.shape[0]:in.shape[1]] }

func (r *inferRequest) addOutput(wire []byte) error {
	if err := r.countPart(); err != nil {
		return err
	}
	var out output
	err := eachField(wire, func(f field) (err error) {
		switch {
		case f.typ != protowire.BytesType:
		case f.num == outputName:
			out.name, err = text(f.value)
		case f.num == outputParameters:
			out.parameters, err = r.addParameter(out.parameters, f.value)
		}
		return err
	})
	r.outputs = append(r.outputs, out)
	return err
}

// inputNames are for the texts of errors.
func (r *inferRequest) inputNames() []string {
	names := make([]string, len(r.inputs))
	for i := range r.inputs {
		names[i] = string(r.inputs[i].name)
	}
	return names
}

// text is a field of type string.
func text(value []byte) ([]byte, error) {
	if !utf8.Valid(value) {
		return nil, errUTF8
	}
	return value, nil
}
