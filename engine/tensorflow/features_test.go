package tensorflow

import (
	"path/filepath"
	"slices"
	"testing"

	"shoal/tensor"
)

// TestFeatures finds the keys of a graph of TensorFlow 1 and of functions of TensorFlow 2.
func TestFeatures(t *testing.T) {
	want := []tensor.Feature{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{1}}}
	for _, c := range []struct {
		model, signature string
		want             []tensor.Feature
	}{
		{"estimator", "classification", want}, {"estimator", "regression", want}, {"estimator", "predict", want},
		{"half_plus_two", "regress_x_to_y", want}, {"half_plus_two", "classify_x_to_y", want}, {"half_plus_two", "serving_default", nil},
		{"stringlen", "serving_default", nil},
	} {
		dir := filepath.Join("..", "..", ".cache", "models", "test", c.model, "1")
		meta, err := ReadMetaGraph(dir, []string{"serve"})
		if err != nil {
			t.Skipf("the test models are not there (make test-models makes them): %v", err)
		}
		signatures := Describe(meta).Signatures
		Study(dir, []string{"serve"}, signatures)
		sig := signatures[c.signature]
		if sig == nil {
			t.Fatalf("%s has no signature %s", c.model, c.signature)
		}
		if !slices.EqualFunc(sig.Features, c.want, func(a, b tensor.Feature) bool {
			return a.Name == b.Name && a.DType == b.DType && a.Shape.Equal(b.Shape) && a.Any == b.Any
		}) {
			t.Errorf("%s %s reads %+v, want %+v", c.model, c.signature, sig.Features, c.want)
		}
	}
}
