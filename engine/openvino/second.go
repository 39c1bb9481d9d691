package openvino

import (
	"shoal/engine"
	"shoal/tensor"
)

// Second runs signatures of models that TensorFlow has loaded. What OpenVINO may answer otherwise than TensorFlow it refuses with
// ErrOutside.
type Second struct{}

var _ engine.Second = Second{}

// Name implements engine.Second.
func (Second) Name() string { return "openvino" }

// Take implements engine.Second.
func (Second) Take(x *engine.Export, sig *tensor.Signature) (engine.Taken, error) {
	m, err := Read(x.Dir, sig, Options{Guarded: true, Bounds: x.Bounds})
	if err != nil {
		return nil, err
	}
	return m, nil
}
