package openapi

import "shoal/tensor"

// exampleRequest describes what classify and regress take: tf.Examples as objects. Where the graph tells which features it
// reads, they are named; further ones are allowed, and ignored. The schemas' names begin with place.
func (b *builder) exampleRequest(place string, signatures []*tensor.Signature) *schema {
	var all []*schema
	for _, sig := range signatures {
		name, required := nameOf(sig, "examples")
		one := b.tfExample(sig)
		shared := *one // features that the examples share: none of them is required here
		shared.Required = nil
		context, example := b.keep(place+"."+sig.Name+".context", &shared), b.keep(place+"."+sig.Name+".example", one)
		all = append(all, b.keep(place+"."+sig.Name,
			object(map[string]*schema{"signature_name": name, "context": context, "examples": array(example).atLeast(1)}, required...)))
	}
	return b.keepAny(place, all)
}

// tfExample is the schema of an example that the signature reads.
func (b *builder) tfExample(sig *tensor.Signature) *schema {
	b.need("feature", b.feature)
	s := &schema{Type: "object", Additional: ref("feature"), Description: "Features by name. The model does not tell which it reads."}
	if len(sig.Features) > 0 {
		s.Description = "Features by name."
		s.Properties = make(map[string]*schema)
		for _, f := range sig.Features {
			s.Properties[f.Name] = b.featureValue(f)
		}
	}
	return s
}

// featureValue is one value, or a list of so many.
func (b *builder) featureValue(f tensor.Feature) *schema {
	one := b.item(f.DType, false, f.Name)
	if n, ok := f.Shape.Elements(); ok && !f.Any {
		if n == 1 {
			return anyOf(one, array(one).times(1))
		}
		return array(one).times(n)
	}
	return anyOf(one, array(one))
}

// feature is a value of any type, or a list of one type.
func (b *builder) feature() *schema {
	var all []*schema
	for _, dt := range []tensor.DType{tensor.Int64, tensor.Float32, tensor.String, tensor.Bool} {
		one := b.item(dt, false, "")
		all = append(all, one, array(one))
	}
	return &schema{AnyOf: all, Description: "A value, or a list of values of one type: all integers, all with a fraction, all strings or all booleans."}
}

// exampleAnswer has a result for each example.
func (b *builder) exampleAnswer(method string) *schema {
	name := method + ".answer"
	b.need(name, func() *schema {
		result := b.item(tensor.Float32, true, "")
		if method == "classify" {
			result = array((&schema{Type: "array", Prefix: []*schema{{Type: "string"}, result}}).times(2))
			result.Description = "Pairs of label and score."
		}
		return object(map[string]*schema{"results": array(result)}, "results")
	})
	return ref(name)
}
