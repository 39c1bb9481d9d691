package openapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	pb "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

// maxExample is how many elements the example of a tensor may have: a longer one is not read by anybody.
const maxExample = 64

// An Example is a request that a signature accepts.
type Example struct {
	Verb string // of the URL: predict, classify or regress
	Body string // "": none can be made
	Why  string // there is none, for people
}

// ExampleOf makes a request of zeros and empty strings, where a dimension has any size of one.
func ExampleOf(sig *tensor.Signature) Example {
	doc := map[string]any{}
	if sig.Name != defaultSignature {
		doc["signature_name"] = sig.Name
	}
	if verb, ok := strings.CutPrefix(sig.Method, "tensorflow/serving/"); ok && (verb == "classify" || verb == "regress") {
		if len(sig.Features) == 0 {
			return Example{Verb: verb, Why: "neither its signature nor its graph tells which features an example has"}
		}
		one := map[string]any{}
		for _, f := range sig.Features {
			if one[f.Name] = featureZeros(f); one[f.Name] == nil {
				return Example{Verb: verb, Why: "its features are large"}
			}
		}
		doc["examples"] = []any{one}
		return Example{Verb: verb, Body: marshal(doc)}
	}
	if !askable(sig) {
		return Example{Verb: "predict", Why: "it has no inputs, or types that JSON or shapes that TensorFlow does not have"}
	}
	n, byRow := rows(sig)
	byRow = byRow && n < 0
	one := map[string]any{}
	for _, s := range sig.Inputs {
		shape := s.Shape
		if byRow && len(shape) > 0 {
			shape = shape[1:]
		}
		one[s.Name] = zeros(s.DType, shape)
		if len(sig.Features) > 0 && len(shape) == 0 { // it is the only input, and an empty string would be no example
			one[s.Name] = serialised(sig.Features)
		}
		if one[s.Name] == nil {
			return Example{Verb: "predict", Why: "its inputs are large"}
		}
	}
	var value any = one
	if len(sig.Inputs) == 1 {
		value = one[sig.Inputs[0].Name]
	}
	if byRow {
		doc["instances"] = []any{value}
	} else {
		doc["inputs"] = value
	}
	return Example{Verb: "predict", Body: marshal(doc)}
}

// examplesOf are the examples for a verb, by signature.
func examplesOf(signatures []*tensor.Signature, verb string) map[string]example {
	all := make(map[string]example)
	for _, sig := range signatures {
		if e := ExampleOf(sig); e.Verb == verb && e.Body != "" {
			all[sig.Name] = example{json.RawMessage(e.Body)}
		}
	}
	return all
}

// zeros is a nested list of zeros, or nil where it would be too long to read.
func zeros(dt tensor.DType, shape tensor.Shape) any {
	if !short(shape) {
		return nil
	}
	if len(shape) == 0 {
		switch dt {
		case tensor.String:
			return ""
		case tensor.Bool:
			return false
		case tensor.Float32, tensor.Float64, tensor.Float16, tensor.BFloat16:
			return json.Number("0.0")
		}
		return 0
	}
	list := make([]any, max(shape[0], 1))
	for i := range list {
		if list[i] = zeros(dt, shape[1:]); list[i] == nil {
			return nil
		}
	}
	return list
}

// short says that a tensor of this shape, one element along each dimension of any size, can be read by people. Dimensions of 1
// are counted too: each is a level of lists.
func short(shape tensor.Shape) bool {
	n := int64(1)
	for _, d := range shape {
		if d > maxExample {
			return false
		}
		if n *= max(d, 1); n > maxExample {
			return false
		}
	}
	return len(shape) <= maxExample
}

// featureZeros is a flat list of zeros, or one of them, as tf.Examples are.
func featureZeros(f tensor.Feature) any {
	n, ok := f.Shape.Elements()
	if f.Any || !ok || slices.Equal(f.Shape, tensor.Shape{1}) {
		n = 1
	}
	if n == 1 {
		return zeros(f.DType, nil)
	}
	return zeros(f.DType, tensor.Shape{n})
}

// serialised is a tf.Example with these features, as bytes in JSON.
func serialised(features []tensor.Feature) any {
	all := make(map[string]*pb.Feature)
	for _, f := range features {
		n, ok := f.Shape.Elements()
		switch {
		case f.Any || !ok:
			n = 1
		case n > maxExample:
			return nil
		}
		one := new(pb.Feature)
		switch f.DType {
		case tensor.Int64:
			one.Kind = &pb.Feature_Int64List{Int64List: &pb.Int64List{Value: make([]int64, n)}}
		case tensor.String:
			one.Kind = &pb.Feature_BytesList{BytesList: &pb.BytesList{Value: make([][]byte, n)}}
		default:
			one.Kind = &pb.Feature_FloatList{FloatList: &pb.FloatList{Value: make([]float32, n)}}
		}
		all[f.Name] = one
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&pb.Example{Features: &pb.Features{Feature: all}})
	if err != nil {
		return nil
	}
	return map[string]any{"b64": base64.StdEncoding.EncodeToString(raw)}
}

func marshal(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}
