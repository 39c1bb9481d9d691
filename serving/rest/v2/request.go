package v2

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/oip"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// request is an inference request's JSON, read but not compared with a model. Names lie in the body.
type request struct {
	id       []byte // of the arena
	settings oip.Settings
	inputs   []input
	outputs  []output
	dims     tensor.Shape // of all inputs, one after the other
}

// input is one element of "inputs".
type input struct {
	name, datatype []byte
	dims, rank     int           // where request.dims has its shape
	data           int           // offset of the member "data"; 0: there is none
	values         tensor.Tensor // of "data", without a shape
	binary         int           // bytes of its part of the body; -1: it has none
	base64         bool          // of strings in "data"
}

// output is an element of "outputs", or an output that is wanted because there are none.
type output struct {
	name    []byte        // nil: found, or not sent
	index   int           // in the signature
	base64  bool          // strings in JSON are base64
	binary  bool          // as it is answered
	classes tensor.Tensor // what it is answered with, if Classes is not 0
	oip.OutputSettings
}

const (
	maxTensors  = 1 << 14 // inputs, and outputs, of a request: what describes them does not count against the budget
	keptTensors = 64      // that a reused request has room for
	maxRank     = 254     // TensorFlow's limit
)

// reset keeps the memory of short lists.
func (r *request) reset() {
	clear(r.inputs)
	clear(r.outputs)
	if cap(r.inputs)+cap(r.outputs) > keptTensors || cap(r.dims) > keptTensors {
		*r = request{}
		return
	}
	*r = request{inputs: r.inputs[:0], outputs: r.outputs[:0], dims: r.dims[:0]}
}

func (r *request) shape(in *input) tensor.Shape { return r.dims[in.dims : in.dims+in.rank] }

// reader reads a request's JSON.
type reader struct {
	*request
	tensorjson.Cursor
	arena *tensor.Arena
}

// read reads the JSON. The elements of "data" go to the arena.
func (r *request) read(body []byte, arena *tensor.Arena) error {
	rd := reader{r, tensorjson.NewCursor(body), arena}
	start := rd.Cursor
	err := rd.document()
	if err == nil {
		err = rd.End()
	}
	if _, ok := errors.AsType[*tensorjson.SyntaxError](err); err != nil && !ok { // what is wrong with the text comes first
		if at := start.Check(); at != nil {
			err = at
		}
	}
	return syntaxError(err)
}

// syntaxError has Triton's text for what is wrong with a document's text.
func syntaxError(err error) error {
	if wrong, ok := errors.AsType[*tensorjson.SyntaxError](err); ok {
		return invalid("failed to parse the request JSON buffer: %s at %d", wrong.Text, wrong.Offset)
	}
	return err
}

func (rd *reader) document() error {
	if rd.Next() != '{' {
		return rd.unexpected("failed to parse the request JSON buffer", "object")
	}
	found := false
	err := rd.Object(func(name []byte) error {
		switch string(name) {
		case "id":
			s, err := rd.text("id")
			rd.id = rd.arena.Bytes(len(s))
			copy(rd.id, s)
			return err
		case "parameters":
			return rd.parameters(func(key string, v oip.Value) error { return rd.settings.Set(key, v) })
		case "inputs":
			found = true
			return rd.list("inputs", rd.input)
		case "outputs":
			return rd.list("outputs", rd.output)
		}
		return rd.Skip()
	})
	if err == nil && !found {
		return missing("inputs")
	}
	return err
}

// list reads an array of objects.
func (rd *reader) list(name string, element func() error) error {
	if rd.Next() != '[' {
		return rd.unexpected("Unable to parse '"+name+"'", "array")
	}
	return rd.Array(func(i int) error {
		switch {
		case i == maxTensors:
			return invalid("'%s' has more than %d elements", name, maxTensors)
		case rd.Next() != '{':
			return rd.unexpected("Unable to parse '"+name+"'", "object")
		}
		return element()
	})
}

func (rd *reader) input() error {
	in := input{binary: -1, dims: len(rd.dims)}
	shaped := false
	err := rd.Object(func(name []byte) (err error) {
		switch string(name) {
		case "name":
			in.name, err = rd.text("name")
		case "datatype":
			in.datatype, err = rd.text("datatype")
		case "shape":
			shaped = true
			err = rd.shapeOf(&in)
		case "parameters":
			err = rd.parameters(in.set)
		case "data":
			in.data = rd.At()
			if len(in.datatype) == 0 {
				return rd.Skip() // it is read when the datatype is known
			}
			return rd.values(&in, &rd.Cursor)
		default:
			err = rd.Skip()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case in.name == nil:
		return missing("name")
	case !shaped:
		return missing("shape")
	case in.datatype == nil:
		return missing("datatype")
	case in.data != 0 && in.binary >= 0:
		return invalid("Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters'. But got both for input '%s'", in.name)
	case in.data == 0 && in.binary < 0:
		return invalid("must specify valid 'Infer-Header-Content-Length' in request header and 'binary_data_size' when passing inputs in binary data format")
	case in.data != 0 && in.values.DType == tensor.Invalid:
		at := rd.To(in.data)
		if err := rd.values(&in, &at); err != nil {
			return err
		}
	}
	if in.base64 && in.data != 0 {
		if err := in.decodeBase64(); err != nil {
			return err
		}
	}
	rd.inputs = append(rd.inputs, in)
	return nil
}

// values reads "data", whose datatype is known.
func (rd *reader) values(in *input, at *tensorjson.Cursor) error {
	d, ok := oip.DType(string(in.datatype))
	if !ok {
		return invalid("inference input '%s' has the unknown datatype '%s'", in.name, in.datatype)
	}
	var err error
	in.values, err = at.Tensor(d, rd.arena)
	if wrong, ok := errors.AsType[*tensorjson.ValueError](err); ok {
		return invalid("Unable to parse 'data': input '%s' has a value at offset %d that is no %s", in.name, wrong.Offset, in.datatype)
	}
	return err
}

func (in *input) decodeBase64() error {
	if in.values.DType != tensor.String {
		return invalid("the content_type base64 of input '%s' is for the datatype BYTES", in.name)
	}
	for i, s := range in.values.Strings {
		plain, ok := tensorjson.DecodeBase64(s)
		if !ok {
			return invalid("Unable to parse 'data': element %d of input '%s' is not base64, as its content_type says", i, in.name)
		}
		in.values.Strings[i] = plain
	}
	return nil
}

// shapeOf reads "shape".
func (rd *reader) shapeOf(in *input) error {
	if rd.Next() != '[' {
		return rd.unexpected("Unable to parse 'shape'", "array")
	}
	in.dims = len(rd.dims)
	err := rd.Array(func(i int) error {
		if i == maxRank {
			return invalid("the shape of input '%s' has more than %d dimensions", in.name, maxRank)
		}
		s, err := rd.Scalar()
		if err != nil {
			return wrongKind(err, "Unable to parse 'shape'", "unsigned-integer")
		}
		n, ok := s.Int64()
		if !ok || n < 0 {
			return wrongValue("Unable to parse 'shape'", "unsigned-integer")
		}
		rd.dims = append(rd.dims, n)
		return nil
	})
	in.rank = len(rd.dims) - in.dims
	return err
}

// set takes in a parameter of an input.
func (in *input) set(key string, v oip.Value) error {
	switch key {
	case "binary_data_size":
		n, ok := v.Count()
		if !ok {
			return wrongValue("Unable to parse 'binary_data_size'", "unsigned-integer")
		}
		in.binary = n
	case contentType:
		in.base64 = v.String == base64
	}
	return oip.SharedMemory(key)
}

// The parameter of MLServer that says that the strings of a tensor are base64.
const (
	contentType = "content_type"
	base64      = "base64"
)

func (rd *reader) output() error {
	var out output
	err := rd.Object(func(name []byte) (err error) {
		switch string(name) {
		case "name":
			out.name, err = rd.text("name")
		case "parameters":
			err = rd.parameters(func(key string, v oip.Value) error {
				if key == contentType {
					out.base64 = v.String == base64
				}
				return out.Set(key, v)
			})
		default:
			err = rd.Skip()
		}
		return err
	})
	if err == nil && out.name == nil {
		return missing("name")
	}
	rd.outputs = append(rd.outputs, out)
	return err
}

// parameters reads an object of scalars. Values of other kinds are ignored; null is as none.
func (rd *reader) parameters(set func(key string, v oip.Value) error) error {
	if rd.Next() == 'n' {
		return rd.Skip()
	}
	if rd.Next() != '{' {
		return rd.unexpected("Unable to parse 'parameters'", "object")
	}
	return rd.Object(func(name []byte) error {
		switch rd.Next() {
		case '{', '[', 'n':
			return rd.Skip()
		}
		s, err := rd.Scalar()
		if err != nil {
			return err
		}
		return set(string(name), value(&s))
	})
}

// readSettings reads an object of scalars, of a body that may be empty.
func readSettings(body []byte, set func(key string, v oip.Value)) error {
	if len(body) == 0 {
		return nil
	}
	rd := reader{Cursor: tensorjson.NewCursor(body)}
	err := rd.parameters(func(key string, v oip.Value) error {
		set(key, v)
		return nil
	})
	if err == nil {
		err = rd.End()
	}
	return syntaxError(err)
}

func value(s *tensorjson.Scalar) oip.Value {
	if s.IsString() {
		return oip.Value{Kind: oip.String, String: string(s.Text)}
	}
	if b, ok := s.Bool(); ok {
		return oip.Value{Kind: oip.Bool, Bool: b}
	}
	if n, ok := s.Int64(); ok {
		return oip.Value{Kind: oip.Int, Int: n}
	}
	if n, ok := s.Uint64(); ok {
		return oip.Value{Kind: oip.Uint, Uint: n}
	}
	return oip.Value{Kind: oip.Double, Double: s.Float64()}
}

// text reads a string.
func (rd *reader) text(member string) ([]byte, error) {
	if rd.Next() != '"' {
		return nil, rd.unexpected("Unable to parse '"+member+"'", "string")
	}
	s, err := rd.Scalar()
	if err == nil && s.Text == nil {
		s.Text = []byte{}
	}
	return s.Text, err
}

// unexpected is the error for a value at the cursor that is no such kind.
func (rd *reader) unexpected(what, kind string) error {
	if err := rd.Skip(); err != nil {
		return err
	}
	return wrongValue(what, kind)
}

// wrongKind keeps a syntax error.
func wrongKind(err error, what, kind string) error {
	if _, ok := errors.AsType[*tensorjson.ValueError](err); ok {
		return wrongValue(what, kind)
	}
	return err
}

// The texts are Triton's.

func wrongValue(what, kind string) error {
	return invalid("%s: attempt to access JSON non-%s as %s", what, kind, kind)
}

func missing(member string) error {
	return invalid("Unable to parse '%s': attempt to access non-existing object member '%s'", member, member)
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
