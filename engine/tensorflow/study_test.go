package tensorflow

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The graph tells which signatures write, draw random numbers, decode pictures, or have ops that may mix rows.
func TestStudy(t *testing.T) {
	for _, c := range []struct {
		model, signature                string
		writes, random, images, mixture string // the beginning, or a member
	}{
		{model: "rows/counter", writes: "AssignAddVariableOp"},
		{model: "rows/running_mean", writes: "Assign"},
		{model: "rows/table", writes: "LookupTableInsertV2"},
		{model: "rows/seeded", writes: "RandomUniform"},
		{model: "rows/noise", random: "RandomUniform"},
		{model: "rows/picture", images: "jpeg", mixture: "StatelessWhile"},
		{model: "rows/cumulative", mixture: "Cumsum"},
		{model: "rows/centred", mixture: "Mean"},
		{model: "rows/flat"},
		{model: "rows/lookup"},
		{model: "test/half_plus_two", signature: "regress_x_to_y"},
		{model: "test/tf1"},
		{model: "test/slow", mixture: "StatelessWhile"},
		{model: "rewrite/counter", writes: "Assign"},
		{model: "rewrite/v1_ref", writes: "AssignAdd"},
		{model: "rewrite/v1_functions", writes: "AssignAddVariableOp", mixture: "While"},
		{model: "rewrite/v1_convnet"},
		{model: "rewrite/lstm", mixture: "While"},
		{model: "rewrite/convnet"},
	} {
		dir := filepath.Join("..", "..", ".cache", "models", filepath.FromSlash(c.model), "1")
		meta, err := ReadMetaGraph(dir, []string{"serve"})
		if err != nil {
			t.Skipf("the test models are not there (make test-deps makes them): %v", err)
		}
		signatures := Describe(meta).Signatures
		name := c.signature
		if name == "" {
			name = "serving_default"
			if signatures[name] == nil {
				for other := range signatures {
					name = other
				}
			}
		}
		got := Study(dir, nil, signatures)[name]
		if got == nil || !strings.HasPrefix(got.Writes, c.writes) || (got.Writes == "") != (c.writes == "") || got.Random != c.random || got.Images != c.images ||
			c.mixture != "" && !slices.ContainsFunc(got.Mixing, func(op string) bool { return strings.Contains(op, c.mixture) }) {
			t.Errorf("%s, %s: %+v", c.model, name, got)
		}
	}
}

// What cannot be read may write.
func TestStudyOfWhatCannotBeRead(t *testing.T) {
	dir := filepath.Join("..", "..", ".cache", "models", "rows", "flat", "1")
	meta, err := ReadMetaGraph(dir, []string{"serve"})
	if err != nil {
		t.Skipf("the test models are not there (make test-deps makes them): %v", err)
	}
	signatures := Describe(meta).Signatures
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "saved_model.pb"), []byte("no model"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := Study(empty, nil, signatures)["serving_default"]; got == nil || !strings.Contains(got.Writes, "cannot be read") {
		t.Errorf("%+v", got)
	}
}
