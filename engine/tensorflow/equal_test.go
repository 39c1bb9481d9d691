package tensorflow

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine/tensorflow/rewrite"
	"shoal/tensor"
)

// rewriteModels are the directories of all models there are, by name. The test is skipped where the models were not made.
func rewriteModels(t testing.TB) map[string]string {
	t.Helper()
	models := make(map[string]string)
	for _, pattern := range []string{"rewrite/*/1", "test/*/*", "guesslang/1"} {
		dirs, _ := filepath.Glob(filepath.Join("..", "..", ".cache", "models", pattern))
		for _, dir := range dirs {
			rel, _ := filepath.Rel(filepath.Join("..", "..", ".cache", "models"), dir)
			if !strings.Contains(rel, "bad") {
				models[rel], _ = filepath.Abs(dir)
			}
		}
	}
	if models["rewrite/control/1"] == "" {
		t.Skip("the models are not there (make test-deps makes them)")
	}
	return models
}

// TestRewrittenModelsAnswerTheSame runs every signature of every model, as it is and rewritten, on the same random inputs.
func TestRewrittenModelsAnswerTheSame(t *testing.T) {
	for name, dir := range rewriteModels(t) {
		for mode, o := range map[string]Options{
			"pruned": {Freeze: rewrite.Never}, "auto": {}, "frozen": {Freeze: rewrite.Always},
			"pinned": {Freeze: rewrite.Always, Device: "/device:CPU:0"}, "pinned only": {NoPrune: true, Device: "/device:CPU:0"},
		} {
			t.Run(strings.ReplaceAll(name, "/", "_")+"/"+mode, func(t *testing.T) {
				t.Parallel()
				original := newRunner(t, dir, Options{NoPrune: true})
				rewritten := newRunner(t, dir, o)
				if rewritten.model.Rewriting == nil && mode != "pinned only" {
					t.Fatal("the model was loaded as it is")
				}
				if got, want := sortedKeys(rewritten.model.Signatures), sortedKeys(original.model.Signatures); !slices.Equal(got, want) {
					t.Fatalf("signatures %v, want %v", got, want)
				}
				for _, sig := range sortedKeys(original.model.Signatures) {
					random := rand.New(rand.NewPCG(1, 2))
					for _, rows := range []int64{1, 3, 8, 1, 8} {
						compare(t, original, rewritten, sig, rows, random)
					}
				}
			})
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

type runner struct {
	model    *Model
	instance *Instance
}

func newRunner(t testing.TB, dir string, o Options) runner {
	t.Helper()
	o.ScratchDir = t.TempDir()
	m, err := Load(dir, o)
	if status.Code(err) == codes.NotFound && strings.Contains(err.Error(), "not registered") {
		t.Skip("the model needs a library of custom ops")
	}
	if err != nil {
		t.Fatal(err)
	}
	in, err := m.newInstance()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		m.Close()
		if left, _ := os.ReadDir(o.ScratchDir); len(left) > 0 {
			t.Errorf("left in the scratch directory: %v", left)
		}
	})
	return runner{m, in}
}

func (r runner) run(sig string, inputs []tensor.Tensor) (*tensor.Result, error) {
	b := &tensor.Batch{Signature: r.model.Signatures[sig], Parts: [][]tensor.Tensor{inputs}}
	for _, in := range inputs {
		b.Shapes = append(b.Shapes, in.Shape)
	}
	return r.instance.Run(b)
}

func compare(t *testing.T, original, rewritten runner, sig string, rows int64, random *rand.Rand) {
	t.Helper()
	inputs := randomInputs(original.model.Signatures[sig], rows, random)
	want, wantErr := original.run(sig, inputs)
	got, gotErr := rewritten.run(sig, inputs)
	defer want.Free()
	defer got.Free()
	if wantErr != nil || gotErr != nil {
		if wantErr == nil || gotErr == nil || firstLine(gotErr) != firstLine(wantErr) {
			t.Errorf("%s: error %v, want %v", sig, gotErr, wantErr)
		}
		return
	}
	for i := range want.Outputs {
		w, g := &want.Outputs[i], &got.Outputs[i]
		name := original.model.Signatures[sig].Outputs[i].Name
		if g.DType != w.DType || !g.Shape.Equal(w.Shape) || !slices.EqualFunc(g.Strings, w.Strings, bytes.Equal) {
			t.Errorf("%s, output %s: %v %v %q, want %v %v %q", sig, name, g.DType, g.Shape, g.Strings, w.DType, w.Shape, w.Strings)
		} else if w.DType == tensor.Float32 {
			if d := difference(values(*w), values(*g)); d > 2e-5 {
				t.Errorf("%s, output %s: differs by %g of the largest value", sig, name, d)
			}
		} else if !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s, output %s: %x, want %x", sig, name, g.Data, w.Data)
		}
	}
}

// firstLine is what answers to clients are compared by: what follows names the graph's nodes.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// difference is the largest difference of two values of the same place, as a part of the largest value (1 at least).
func difference(want, got []float32) float64 {
	largest, most := 1.0, 0.0
	for i, w := range want {
		if math.IsNaN(float64(w)) != math.IsNaN(float64(got[i])) {
			return math.Inf(1)
		}
		if !math.IsNaN(float64(w)) && w != got[i] {
			most = max(most, math.Abs(float64(w)-float64(got[i])))
		}
		if !math.IsInf(float64(w), 0) && !math.IsNaN(float64(w)) {
			largest = max(largest, math.Abs(float64(w)))
		}
	}
	return most / largest
}

func randomInputs(sig *tensor.Signature, rows int64, random *rand.Rand) []tensor.Tensor {
	inputs := make([]tensor.Tensor, len(sig.Inputs))
	for i, spec := range sig.Inputs {
		shape := slices.Clone(spec.Shape)
		if spec.UnknownRank {
			shape = tensor.Shape{rows}
		}
		for d, size := range shape {
			if size < 0 {
				shape[d] = 4
				if d == 0 {
					shape[d] = rows
				}
			}
		}
		n, _ := shape.Elements()
		x := tensor.Tensor{DType: spec.DType, Shape: shape}
		for range n {
			switch spec.DType {
			case tensor.Float32:
				x.Data = binary.LittleEndian.AppendUint32(x.Data, math.Float32bits(random.Float32()*2-1))
			case tensor.String:
				words := []string{"package", "def", "x", "y", "shoal", "", "print(1)\nfor i in x:\n  pass"}
				x.Strings = append(x.Strings, []byte(words[random.IntN(len(words))]))
			default: // small numbers, whatever the type's width
				x.Data = append(x.Data, byte(random.IntN(2)))
				x.Data = append(x.Data, make([]byte, spec.DType.Size()-1)...)
			}
		}
		inputs[i] = x
	}
	return inputs
}
