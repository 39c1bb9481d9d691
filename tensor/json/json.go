// Package json converts the JSON bodies of TensorFlow Serving's REST API to tensors, and tensors to JSON answers.
//
// A body is decoded in one of two ways. The fast path reads it once and writes the elements directly into arena memory, with the
// types of the signature. It decodes the usual well-formed shapes, and gives up at anything else without an error. Then the exact
// path decides. It accepts and rejects what TensorFlow Serving does (its parser is RapidJSON 1.1 with NaN and Inf, which stops
// after the first value), with the same texts, offsets and order of checks.
//
// Errors are gRPC status errors. Their message is the text of the answer.
package json

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// Format is the form in which a request lists its values. The answer has the same form.
type Format int

const (
	Row    Format = iota // "instances": one value or object for each row; answered with "predictions"
	Column               // "inputs": one tensor for each input; answered with "outputs"
)

// Resolve returns the signature with this key ("" is the default one), or the error to answer. It makes all the lookups that come
// after the check of the body's syntax and before the check of its structure: model, version, label, signature. One call of
// DecodePredict asks at most once for each name, and for at most two names: the default one and the one in the body.
type Resolve func(signatureName string) (*tensor.Signature, error)

// PredictRequest is a decoded predict body. The memory of its inputs, including strings, belongs to the arena. Nothing refers to
// the body.
type PredictRequest struct {
	Signature *tensor.Signature
	Format    Format
	Inputs    []tensor.Tensor // in the signature's order
}

// defaultSignature is the key for an absent or empty signature_name.
const defaultSignature = "serving_default"

// maxRank is the number of dimensions that a TensorFlow tensor can have.
const maxRank = 254

// DecodePredict decodes the body of a predict request.
func DecodePredict(body []byte, resolve Resolve, a *tensor.Arena) (*PredictRequest, error) {
	f := newFast(body, resolve, a)
	defer f.release()
	if req := f.decode(); req != nil {
		return req, nil
	}
	return decodeExact(body, &f.lookup, a)
}

// lookup keeps the results of Resolve, so that the exact path does not ask again.
type lookup struct {
	resolve Resolve
	answers [2]answer
	n       int
}

type answer struct {
	name string
	sig  *tensor.Signature
	err  error
}

func (l *lookup) signature(name string) (*tensor.Signature, error) {
	for _, a := range l.answers[:l.n] {
		if a.name == name {
			return a.sig, a.err
		}
	}
	sig, err := l.resolve(name)
	if l.n < len(l.answers) {
		l.answers[l.n] = answer{name, sig, err}
		l.n++
	}
	return sig, err
}

func invalid(text string) error { return status.Error(codes.InvalidArgument, text) }

func invalidf(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
