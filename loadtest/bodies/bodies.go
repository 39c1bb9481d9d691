// Package bodies makes the requests of a load test: from a model's metadata with random values, from a file, or from a
// recorded log; and puts them into the form that REST or gRPC wants.
package bodies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/loadtest/load"
	"shoal/serving/oip"
	"shoal/serving/oip/inferencepb"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
	tensorproto "shoal/tensor/proto"
)

// DefaultSignature is the key that an absent signature name stands for.
const DefaultSignature = "serving_default"

// Request is a prediction's inputs, in the signature's order.
type Request struct {
	Inputs []tensor.Tensor
	Rows   int // instances; 0 where the inputs have no common first dimension
}

// REST prints a request as JSON: in row form where each input has its rows, else in column form.
func REST(sig *tensor.Signature, r *Request) (load.Body, error) {
	as := &tensor.Signature{Outputs: sig.Inputs}
	format, key, prefix := tensorjson.Column, `"inputs":`, `{"outputs":`
	if r.Rows > 0 {
		format, key, prefix = tensorjson.Row, `"instances":`, `{"predictions":`
	}
	if err := textual(sig, r); err != nil {
		return load.Body{}, err
	}
	values, err := tensorjson.AppendPredict(nil, format, as, r.Inputs)
	if err != nil {
		return load.Body{}, err
	}
	head := []byte("{")
	if sig.Name != DefaultSignature {
		name, err := json.Marshal(sig.Name)
		if err != nil {
			return load.Body{}, err
		}
		head = append(append(append(head, `"signature_name":`...), name...), ',')
	}
	return load.Body{Data: append(append(head, key...), bytes.TrimPrefix(values, []byte(prefix))...), Rows: r.Rows}, nil
}

// textual refuses strings that JSON cannot carry as text and that are not printed as base64.
func textual(sig *tensor.Signature, r *Request) error {
	for i, t := range r.Inputs {
		if name := sig.Inputs[i].Name; t.DType == tensor.String && !bytes.HasSuffix([]byte(name), []byte("_bytes")) {
			for _, s := range t.Strings {
				if !utf8.Valid(s) {
					return fmt.Errorf("input %q has strings that are not UTF-8; send them with --api=grpc", name)
				}
			}
		}
	}
	return nil
}

// GRPC serialises a request as a PredictRequest.
func GRPC(spec *apis_go_proto.ModelSpec, sig *tensor.Signature, r *Request) (load.Body, error) {
	const fieldSpec, fieldInputs = 1, 2
	rawSpec, err := proto.Marshal(spec)
	if err != nil {
		return load.Body{}, err
	}
	wire := protowire.AppendBytes(protowire.AppendTag(nil, fieldSpec, protowire.BytesType), rawSpec)
	for i := range r.Inputs {
		m := tensorproto.Measure(&r.Inputs[i], false)
		entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), sig.Inputs[i].Name)
		entry = protowire.AppendBytes(protowire.AppendTag(entry, 2, protowire.BytesType), m.Append(nil))
		wire = protowire.AppendBytes(protowire.AppendTag(wire, fieldInputs, protowire.BytesType), entry)
	}
	return load.Body{Data: wire, Rows: r.Rows}, nil
}

// Inference serialises a request as a ModelInferRequest of the Open Inference Protocol, with raw tensors.
func Inference(model string, sig *tensor.Signature, r *Request) (load.Body, error) {
	m := &inferencepb.ModelInferRequest{ModelName: model, Parameters: map[string]*inferencepb.InferParameter{}}
	if sig.Name != DefaultSignature {
		m.Parameters["signature_name"] = &inferencepb.InferParameter{ParameterChoice: &inferencepb.InferParameter_StringParam{StringParam: sig.Name}}
	}
	for i := range r.Inputs {
		t := &r.Inputs[i]
		m.Inputs = append(m.Inputs, &inferencepb.ModelInferRequest_InferInputTensor{Name: sig.Inputs[i].Name, Datatype: oip.Datatype(t.DType), Shape: t.Shape})
		m.RawInputContents = append(m.RawInputContents, oip.AppendRaw(nil, t))
	}
	wire, err := proto.Marshal(m)
	return load.Body{Data: wire, Rows: r.Rows}, err
}

// FromJSON reads a REST body as a request, for sending it in another form.
func FromJSON(body []byte, sig *tensor.Signature) (*Request, error) {
	req, err := tensorjson.DecodePredict(body, func(string) (*tensor.Signature, error) { return sig, nil }, tensor.NewArena())
	if err != nil {
		return nil, err
	}
	r := &Request{Inputs: req.Inputs}
	r.Rows = commonRows(sig, r.Inputs)
	return r, nil
}

// commonRows is the first dimension of all inputs where the signature leaves it open and they agree, else 0.
func commonRows(sig *tensor.Signature, inputs []tensor.Tensor) int {
	rows := 0
	for i := range inputs {
		n := int(inputs[i].Rows())
		if !Batched(sig) || n == 0 || rows > 0 && n != rows {
			return 0
		}
		rows = n
	}
	return rows
}

// Batched reports whether every input has an open first dimension: then requests can have any number of instances.
func Batched(sig *tensor.Signature) bool {
	for _, s := range sig.Inputs {
		if s.UnknownRank || len(s.Shape) == 0 || s.Shape[0] >= 0 {
			return false
		}
	}
	return len(sig.Inputs) > 0
}

// CountJSON is the number of instances of a REST body, 0 where it is in column form or not JSON.
func CountJSON(body []byte) int {
	var doc struct {
		Instances []json.RawMessage `json:"instances"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return 0
	}
	return len(doc.Instances)
}

// ParseAnswer reads a serialised PredictResponse for a checker, as the values of its outputs.
func ParseAnswer(wire []byte) (any, error) {
	var resp apis_go_proto.PredictResponse
	if err := proto.Unmarshal(wire, &resp); err != nil {
		return nil, err
	}
	if len(resp.Outputs) == 0 {
		return nil, errors.New("the answer has no outputs")
	}
	values := map[string]any{}
	arena := tensor.NewArena()
	defer arena.Free()
	for name, m := range resp.Outputs {
		d := tensorproto.Decoder{Arena: arena, Left: 1 << 31}
		t, err := d.Message(m)
		if err != nil {
			return nil, err
		}
		sig := &tensor.Signature{Outputs: []tensor.Spec{{Name: "x_bytes", DType: t.DType}}}
		text, err := tensorjson.AppendPredict(nil, tensorjson.Column, sig, []tensor.Tensor{t})
		if err != nil {
			return nil, err
		}
		if values[name], err = load.ParseJSON(text); err != nil {
			return nil, err
		}
	}
	return values, nil
}
