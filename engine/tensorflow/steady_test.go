package tensorflow

import (
	"path/filepath"
	"testing"
)

// Models whose runs take as long as their inputs' values say are not steady, those of plain layers are.
func TestMarkSteady(t *testing.T) {
	for _, c := range []struct {
		folder, model, signature string
		steady                   bool
	}{
		{"test", "mlp", "serving_default", true}, {"test", "half_plus_two", "serving_default", true}, {"test", "two_signatures", "add", true},
		{"test", "dynamic", "serving_default", true}, {"rewrite", "convnet", "serving_default", true}, {"bench", "mobilenet_v2", "serving_default", true},
		{"test", "half_plus_two", "regress_x_to_y", false}, {"test", "slow", "serving_default", false}, {"test", "turns", "serving_default", false},
		{"test", "stringlen", "serving_default", false}, {"test", "words", "serving_default", false}, {"test", "tf1", "serving_default", false},
		{"rewrite", "control", "serving_default", false}, {"rewrite", "lstm", "serving_default", false}, {"rewrite", "v1_ref", "serving_default", false},
	} {
		dir := filepath.Join("..", "..", ".cache", "models", c.folder, c.model, "1")
		meta, err := ReadMetaGraph(dir, []string{"serve"})
		if err != nil {
			t.Logf("%s is not there (make test-deps and make bench make it)", dir)
			continue
		}
		signatures := Describe(meta).Signatures
		Study(dir, []string{"serve"}, signatures)
		sig := signatures[c.signature]
		if sig == nil {
			t.Errorf("%s has no signature %s", c.model, c.signature)
		} else if sig.Steady != c.steady {
			t.Errorf("%s, %s: steady is %v", c.model, c.signature, sig.Steady)
		}
	}
}
