package tensor

import "slices"

// Spec describes one input or output of a signature.
type Spec struct {
	Name        string // the alias that clients use
	DType       DType
	Shape       Shape // -1: any size; nil when the rank is unknown
	UnknownRank bool
	TensorName  string // the graph's own name, "op:0"
	// Default is the value of an input that a client does not send; nil: the client must send it. It is read only. Its type may
	// differ from DType, if the model says so.
	Default *Tensor
}

// Signature is one entry point of a model. Inputs and Outputs are sorted by Name; tensors travel in this order.
type Signature struct {
	Name    string // the key in the model, "serving_default"
	Method  string // "tensorflow/serving/predict", …
	Inputs  []Spec
	Outputs []Spec
	// Features are what the graph reads from the tf.Examples that the signature takes, sorted by Name; nil: it takes none, or the
	// graph does not show it.
	Features []Feature
	// Steady says that the time of a run depends on the shapes of its inputs only, not on their values.
	Steady bool
}

// Feature is a key of tf.Examples and the values that it should have.
type Feature struct {
	Name  string
	DType DType // Float32, Int64 or String
	Shape Shape // of one example
	Any   bool  // any number of values, also none; Shape is nil
}

// Input returns the index of the input with this alias, or -1.
func (s *Signature) Input(name string) int { return find(s.Inputs, name) }

// Output returns the index of the output with this alias, or -1.
func (s *Signature) Output(name string) int { return find(s.Outputs, name) }

// HasDefaults reports whether any input has a default value.
func (s *Signature) HasDefaults() bool {
	return slices.ContainsFunc(s.Inputs, func(in Spec) bool { return in.Default != nil })
}

func find(specs []Spec, name string) int {
	for i := range specs {
		if specs[i].Name == name {
			return i
		}
	}
	return -1
}
