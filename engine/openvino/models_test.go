package openvino_test

import (
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine"
	"shoal/engine/openvino"
	"shoal/engine/tensorflow"
	"shoal/tensor"
)

// needLibrary skips the test where `make deps` has not fetched OpenVINO.
func needLibrary(t testing.TB) {
	t.Helper()
	if err := openvino.Open(); status.Code(err) == codes.FailedPrecondition {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// modelDirs are the directories of all models of the tests, by name.
func modelDirs(t testing.TB) map[string]string {
	t.Helper()
	root, _ := filepath.Abs(filepath.Join("..", "..", ".cache", "models"))
	models := make(map[string]string)
	for _, pattern := range []string{"rewrite/*/1", "test/*/*", "rows/*/1", "guesslang/1"} {
		dirs, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, dir := range dirs {
			if rel, _ := filepath.Rel(root, dir); !strings.Contains(rel, "bad") {
				models[rel] = dir
			}
		}
	}
	if models["rewrite/control/1"] == "" {
		t.Skip("the models are not there (make test-deps makes them)")
	}
	return models
}

// pair is one signature in both engines.
type pair struct {
	sig *tensor.Signature
	tf  engine.Instance
	ov  engine.Instance
}

// openPair loads the signature in both engines. refused is why OpenVINO cannot have it.
func openPair(t testing.TB, m *tensorflow.Model, name string) (p *pair, refused string) {
	t.Helper()
	x, err := m.Export(name)
	if err != nil {
		return nil, "export: " + err.Error()
	}
	defer x.Remove()
	if x.Refused != "" {
		return nil, x.Refused
	}
	p = &pair{sig: m.Signatures[name]}
	model, err := openvino.Read(x.Dir, p.sig, openvino.Options{Guarded: true, Bounds: x.Bounds})
	if err != nil {
		return nil, "read: " + err.Error()
	}
	defer model.Close()
	if p.ov, err = model.NewInstance(); err != nil {
		return nil, "compile: " + err.Error()
	}
	t.Cleanup(p.ov.Close)
	if p.tf, err = m.NewInstance(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.tf.Close)
	return p, ""
}

// runsIn are the signatures that OpenVINO runs. All others have strings, state, loops, ops that fail on values, or types that it
// computes otherwise.
var runsIn = strings.Fields(`rewrite/convnet/1:serve rewrite/convnet/1:serving_default rewrite/transformer/1:serve rewrite/transformer/1:serving_default
	rewrite/v1_convnet/1:serving_default rows/centred/1:serving_default rows/choice/1:serving_default rows/cumulative/1:serving_default
	rows/flat/1:serving_default rows/negatives/1:serving_default rows/position/1:serving_default rows/ranker/1:serving_default
	rows/reversed/1:serving_default rows/scaled/1:serving_default rows/statistics/1:serving_default test/dynamic/1:serving_default
	test/fixed/1:serving_default test/half_plus_two/1:serving_default test/half_plus_two/2:serving_default test/mlp/1:serving_default
	test/nonbatch/1:serving_default test/scalar/1:serving_default test/tagged/1:serving_default test/two_signatures/1:add
	test/two_signatures/1:serving_default`)

func TestModelsAnswerAsInTensorFlow(t *testing.T) {
	needLibrary(t)
	var ran []string
	for _, name := range slices.Sorted(maps.Keys(modelDirs(t))) {
		dir := modelDirs(t)[name]
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			m, err := tensorflow.Load(dir, tensorflow.Options{ScratchDir: t.TempDir()})
			if err != nil {
				if strings.Contains(err.Error(), "not registered") {
					t.Skip("the model needs a library of custom ops")
				}
				t.Fatal(err)
			}
			t.Cleanup(m.Close)
			for _, sig := range slices.Sorted(maps.Keys(m.Signatures)) {
				p, refused := openPair(t, m, sig)
				if refused != "" {
					t.Logf("%s: %s", sig, refused)
					continue
				}
				ran = append(ran, name+":"+sig)
				random := rand.New(rand.NewPCG(1, 2))
				for _, rows := range []int64{1, 3, 8, 1, 40} {
					p.compare(t, randomInputs(p.sig, rows, random))
				}
			}
		})
	}
	if !slices.Equal(ran, runsIn) {
		t.Errorf("OpenVINO ran %v, want %v", ran, runsIn)
	}
}

func batchOf(sig *tensor.Signature, inputs []tensor.Tensor) *tensor.Batch {
	b := &tensor.Batch{Signature: sig, Parts: [][]tensor.Tensor{inputs}}
	for _, in := range inputs {
		b.Shapes = append(b.Shapes, in.Shape)
	}
	return b
}

// compare runs the inputs in both engines. What OpenVINO leaves to TensorFlow is left.
func (p *pair) compare(t *testing.T, inputs []tensor.Tensor) {
	t.Helper()
	b := batchOf(p.sig, inputs)
	want, wantErr := p.tf.Run(b)
	got, gotErr := p.ov.Run(b)
	defer want.Free()
	defer got.Free()
	if wantErr != nil && gotErr == nil {
		t.Fatalf("%s: OpenVINO answers %v, which TensorFlow refuses: %v", p.sig.Name, got.Outputs, wantErr)
	}
	if gotErr != nil {
		t.Logf("%s: left to TensorFlow: %v", p.sig.Name, gotErr)
		return
	}
	for i := range want.Outputs {
		w, g := &want.Outputs[i], &got.Outputs[i]
		if g.DType != w.DType || !g.Shape.Equal(w.Shape) {
			t.Fatalf("%s, output %s: %v %v, want %v %v", p.sig.Name, p.sig.Outputs[i].Name, g.DType, g.Shape, w.DType, w.Shape)
		}
		if w.DType == tensor.Float32 {
			if d := difference(*w, *g); d > 1e-4 {
				t.Errorf("%s, output %s: differs by %g of the largest value", p.sig.Name, p.sig.Outputs[i].Name, d)
			}
		} else if !slices.Equal(g.Data, w.Data) {
			t.Errorf("%s, output %s: %x, want %x", p.sig.Name, p.sig.Outputs[i].Name, g.Data, w.Data)
		}
	}
}

// difference is the largest difference of two values of the same place, as a part of the largest value.
func difference(want, got tensor.Tensor) float64 {
	largest, most := 1e-30, 0.0
	for i := 0; i < len(want.Data); i += 4 {
		w := float64(math.Float32frombits(binary.LittleEndian.Uint32(want.Data[i:])))
		g := float64(math.Float32frombits(binary.LittleEndian.Uint32(got.Data[i:])))
		if math.IsNaN(w) != math.IsNaN(g) {
			return math.Inf(1)
		}
		if w != g && !math.IsNaN(w) {
			most = max(most, math.Abs(w-g))
		}
		if !math.IsInf(w, 0) && !math.IsNaN(w) {
			largest = max(largest, math.Abs(w))
		}
	}
	return most / largest
}

// randomInputs are floats in -1…1, small integers and words.
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
				x.Strings = append(x.Strings, []byte{byte('a' + random.IntN(26))})
			default: // small numbers, whatever the type's width
				x.Data = append(x.Data, byte(random.IntN(2)))
				x.Data = append(x.Data, make([]byte, spec.DType.Size()-1)...)
			}
		}
		inputs[i] = x
	}
	return inputs
}
