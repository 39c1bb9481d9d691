package openapi

import (
	"strings"

	"shoal/tensor"
)

// defaultSignature is the one that requests without a signature_name mean.
const defaultSignature = "serving_default"

// predict describes what a version takes and gives: each signature by rows and by columns, in schemas whose names begin with
// place. It gives nil where no signature can be asked in JSON.
func (b *builder) predict(place string, signatures []*tensor.Signature) (request, answer *schema) {
	var requests, answers []*schema
	for _, sig := range signatures {
		if !askable(sig) {
			continue
		}
		in, out := place+".predict.request."+sig.Name, place+".predict.answer."+sig.Name
		if n, ok := rows(sig); ok {
			requests = append(requests, b.keep(in+".rows", b.rowRequest(in, sig, n)))
			answers = append(answers, b.keep(out+".rows", b.rowAnswer(out, sig)))
		}
		requests = append(requests, b.keep(in+".columns", b.columnRequest(in, sig)))
		answers = append(answers, b.keep(out+".columns", b.columnAnswer(out, sig)))
	}
	if len(requests) == 0 {
		return nil, nil
	}
	return b.keepAny(place+".predict.request", requests), b.keepAny(place+".predict.answer", answers)
}

// askable says that JSON has all the types of the signature, and TensorFlow tensors of its shapes.
func askable(sig *tensor.Signature) bool {
	for _, specs := range [][]tensor.Spec{sig.Inputs, sig.Outputs} {
		if len(specs) == 0 {
			return false
		}
		for _, s := range specs {
			if !inJSON(s.DType) || len(s.Shape) > maxRank {
				return false
			}
		}
	}
	return true
}

// rows says whether the signature can be asked row by row, and how many rows it wants; -1: any number.
func rows(sig *tensor.Signature) (n int64, ok bool) {
	n = -1
	for _, s := range sig.Inputs {
		switch {
		case s.UnknownRank:
		case len(s.Shape) == 0:
			return 0, false
		case s.Shape[0] < 0:
		case n >= 0 && s.Shape[0] != n:
			return 0, false
		default:
			n = s.Shape[0]
		}
	}
	for _, s := range sig.Outputs {
		if !s.UnknownRank && len(s.Shape) == 0 {
			return 0, false
		}
	}
	return n, n != 0
}

// request is an object with the values under one of the two keys.
func request(sig *tensor.Signature, key, other string, values *schema) *schema {
	name, required := nameOf(sig, key)
	return object(map[string]*schema{"signature_name": name, key: values, other: never()}, required...)
}

// nameOf is the schema of signature_name, and what a request must have: other signatures than the default one have to be named.
func nameOf(sig *tensor.Signature, key string) (name *schema, required []string) {
	if sig.Name == defaultSignature {
		return &schema{Type: "string", Enum: []string{defaultSignature, ""}}, []string{key}
	}
	return &schema{Type: "string", Const: sig.Name}, []string{key, "signature_name"}
}

// rowRequest lists rows that are all objects or, of a single input, all plain values.
func (b *builder) rowRequest(place string, sig *tensor.Signature, n int64) *schema {
	list := func(row *schema) *schema {
		if n > 0 {
			return array(row).times(n)
		}
		return array(row).atLeast(1)
	}
	one := b.named(sig.Inputs, false, (*builder).row)
	one.Additional = false
	values := list(b.keep(place+".row", one))
	if len(sig.Inputs) == 1 {
		values = anyOf(list(b.row(&sig.Inputs[0], false)), values)
	}
	return request(sig, "instances", "inputs", values)
}

func (b *builder) columnRequest(place string, sig *tensor.Signature) *schema {
	values := b.keep(place+".inputs", b.named(sig.Inputs, false, (*builder).whole))
	if len(sig.Inputs) == 1 {
		values = anyOf(b.whole(&sig.Inputs[0], false), values)
	}
	return request(sig, "inputs", "instances", values)
}

// named is an object with a value for each input or output.
func (b *builder) named(specs []tensor.Spec, output bool, value func(*builder, *tensor.Spec, bool) *schema) *schema {
	s := object(make(map[string]*schema, len(specs)))
	for i := range specs {
		s.Properties[specs[i].Name] = value(b, &specs[i], output)
		s.Required = append(s.Required, specs[i].Name)
	}
	return s
}

// rowAnswer has a value for each row, or an object where there are several outputs.
func (b *builder) rowAnswer(place string, sig *tensor.Signature) *schema {
	row := b.row(&sig.Outputs[0], true)
	if len(sig.Outputs) > 1 {
		row = b.keep(place+".row", b.named(sig.Outputs, true, (*builder).row))
	}
	return object(map[string]*schema{"predictions": array(row)}, "predictions")
}

func (b *builder) columnAnswer(place string, sig *tensor.Signature) *schema {
	value := b.whole(&sig.Outputs[0], true)
	if len(sig.Outputs) > 1 {
		value = b.keep(place+".outputs", b.named(sig.Outputs, true, (*builder).whole))
	}
	return object(map[string]*schema{"outputs": value}, "outputs")
}

// unaskable names the signatures that JSON cannot ask, for the description of an operation.
func unaskable(signatures []*tensor.Signature) string {
	var names []string
	for _, sig := range signatures {
		if !askable(sig) {
			names = append(names, sig.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "Not over REST, for want of inputs, or because of types that JSON or shapes that TensorFlow does not have: " + strings.Join(names, ", ") + "."
}
