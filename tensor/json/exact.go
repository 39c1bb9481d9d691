package json

import (
	"strings"

	"shoal/tensor"
)

// decodeExact decodes a predict body with TensorFlow Serving's checks, in their order.
func decodeExact(body []byte, l *lookup, a *tensor.Arena) (*PredictRequest, error) {
	d, err := parseDocument(body)
	if err != nil {
		return nil, err
	}
	name, err := d.signatureName()
	if err != nil {
		return nil, err
	}
	sig, err := l.signature(name)
	if err != nil {
		return nil, err
	}
	if len(sig.Inputs) == 0 {
		if name == "" {
			name = "DEFAULT"
		}
		return nil, invalidf("Failed to get input map for signature: %s", name)
	}
	instances, inputs := d.find(0, "instances"), d.find(0, "inputs")
	x := exact{doc: d, sig: sig, targets: newTargets(sig, a)}
	req := &PredictRequest{Signature: sig, Format: Row}
	switch {
	case instances != 0 && inputs != 0:
		return nil, d.formatError(0, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
	case instances != 0 && !d.is(instances, kindArray):
		return nil, d.formatError(0, "Expecting 'instances' to be an list/array")
	case instances != 0 && d.size(instances) == 0:
		return nil, d.formatError(0, "No values in 'instances' array")
	case instances != 0:
		err = x.rows(instances)
	case inputs != 0:
		req.Format = Column
		err = x.columns(inputs)
	default:
		return nil, invalid("Missing 'inputs' or 'instances' key")
	}
	if err == nil {
		req.Inputs, err = x.finish()
	}
	if err != nil {
		return nil, err
	}
	return req, nil
}

func newTargets(sig *tensor.Signature, a *tensor.Arena) []target {
	targets := make([]target, len(sig.Inputs))
	for i := range targets {
		targets[i] = target{spec: &sig.Inputs[i], arena: a}
	}
	return targets
}

// exact converts a parsed document.
type exact struct {
	doc     *document
	sig     *tensor.Signature
	targets []target // one for each input; the shape is nil until the input is found
}

// columns converts the value of "inputs".
func (x *exact) columns(v uint32) error {
	d := x.doc
	if !d.is(v, kindObject) || d.base64(v) != 0 {
		if len(x.targets) > 1 {
			return invalid("inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map")
		}
		return x.column(&x.targets[0], v)
	}
	for i := range x.targets {
		t := &x.targets[i]
		item := d.find(v, t.spec.Name)
		if item == 0 {
			return invalidf("Missing named input: %s in 'inputs' object.", t.spec.Name)
		}
		if err := x.column(t, item); err != nil {
			return err
		}
	}
	return nil
}

func (x *exact) column(t *target, v uint32) error {
	var err error
	if t.shape, err = x.shape(t, v); err != nil {
		return err
	}
	return x.fill(t, v, t.shape)
}

// finish makes the tensors when all values are read.
func (x *exact) finish() ([]tensor.Tensor, error) {
	tensors := make([]tensor.Tensor, len(x.targets))
	var have, missing []string
	for i := range x.targets {
		t := &x.targets[i]
		if t.shape == nil {
			missing = append(missing, t.spec.Name)
			continue
		}
		have = append(have, t.spec.Name)
		if len(t.shape) > maxRank {
			return nil, rankError(t)
		}
		tensors[i] = t.tensor()
	}
	if len(missing) > 0 { // rows that are base64 objects set the first input only
		return nil, invalidf("input size does not match signature: %d!=%d len({%s}) != len({%s}). Sent extra: {}. Missing but required: {%s}.",
			len(have), len(tensors), strings.Join(have, ","), inputNames(x.sig), strings.Join(missing, ","))
	}
	return tensors, nil
}

func rankError(t *target) error { return invalidf("tensor parsing error: %s", t.spec.Name) }

// inputNames joins the names of all inputs, sorted.
func inputNames(sig *tensor.Signature) string {
	names := make([]string, len(sig.Inputs))
	for i := range names {
		names[i] = sig.Inputs[i].Name
	}
	return strings.Join(names, ",")
}
