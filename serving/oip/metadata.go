package oip

import (
	"slices"
	"strconv"
	"strings"

	"shoal/serving"
	"shoal/tensor"
)

// The platforms by the protocol's names.
const (
	tensorflowPlatform = "tensorflow_savedmodel"
	tensorflowBackend  = "tensorflow"
)

// ModelMetadata describes a model by one of its versions.
type ModelMetadata struct {
	Name       string            `json:"name"`
	Versions   []string          `json:"versions"` // that can be asked for, ascending
	Platform   string            `json:"platform"`
	Inputs     []TensorMetadata  `json:"inputs"`
	Outputs    []TensorMetadata  `json:"outputs"`
	Properties map[string]string `json:"properties,omitempty"`
}

// TensorMetadata describes an input or output. A dimension of any size is -1; so is the only dimension of a tensor whose rank is not
// known.
type TensorMetadata struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// Metadata describes the model of a pinned version by its default signature. The other signatures are listed in the properties.
func Metadata(core serving.Core, h *serving.Handle) (ModelMetadata, error) {
	sig, err := defaultSignature(h)
	if err != nil {
		return ModelMetadata{}, err
	}
	m := ModelMetadata{Name: h.Model, Platform: tensorflowPlatform, Inputs: describe(sig.Inputs), Outputs: describe(sig.Outputs)}
	for _, model := range core.Models() {
		if model.Name == h.Model {
			m.Versions, m.Platform = available(&model), platform(model.Platform)
		}
	}
	if keys := Signatures(h); len(keys) > 1 {
		m.Properties = map[string]string{signaturesProperty: strings.Join(keys, ",")}
	}
	return m, nil
}

// signaturesProperty lists a model's signatures in its metadata and in its configuration.
const signaturesProperty = "signatures"

// defaultSignature is DefaultSignature, or says which ones there are, or what of it the protocol cannot carry.
func defaultSignature(h *serving.Handle) (*tensor.Signature, error) {
	sig, ok := DefaultSignature(h)
	if !ok {
		return nil, invalid("model '%s' has no signature %q: name one of {%s} in the parameter 'signature_name'", h.Model, defaultKey, strings.Join(Signatures(h), ","))
	}
	return sig, representable(h.Model, sig)
}

// representable says which of a signature's tensors has elements that the protocol has no datatype for.
func representable(model string, sig *tensor.Signature) error {
	for _, side := range []struct {
		name  string
		specs []tensor.Spec
	}{{"input", sig.Inputs}, {"output", sig.Outputs}} {
		for i := range side.specs {
			if s := &side.specs[i]; Datatype(s.DType) == "" {
				return invalid("%s '%s' of model '%s' has elements of type %v, which the protocol has no datatype for: "+
					"use the API of TensorFlow Serving", side.name, s.Name, model, s.DType)
			}
		}
	}
	return nil
}

func describe(specs []tensor.Spec) []TensorMetadata {
	list := make([]TensorMetadata, len(specs))
	for i := range specs {
		list[i] = TensorMetadata{Name: specs[i].Name, Datatype: Datatype(specs[i].DType), Shape: dims(&specs[i])}
	}
	return list
}

// dims is never nil: a scalar's shape is [].
func dims(s *tensor.Spec) []int64 {
	if s.UnknownRank {
		return []int64{-1}
	}
	return append([]int64{}, s.Shape...)
}

// available are the numbers of a model's available versions, ascending.
func available(m *serving.ModelStatus) []string {
	var numbers []string
	for _, v := range slices.Backward(m.Versions) {
		if v.State == serving.Available {
			numbers = append(numbers, strconv.FormatInt(v.Version, 10))
		}
	}
	return numbers
}

// platform is the protocol's name of what a model was made for.
func platform(configured string) string {
	if configured == "" || configured == tensorflowBackend {
		return tensorflowPlatform
	}
	return configured
}
