package tensorflow

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// testModel is the directory of a test model's version; the test is skipped where the models were not made.
func testModel(t testing.TB, name string) string {
	dir, _ := filepath.Abs(filepath.Join("..", "..", ".cache", "models", "test", name))
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("test models are not there (make test-models makes them): %v", err)
	}
	return dir
}

func load(t testing.TB, name string) (*Model, *Instance) {
	t.Helper()
	m, err := Load(testModel(t, name), Options{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := m.newInstance()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); m.Close() })
	return m, in
}

func floats(shape tensor.Shape, v ...float32) tensor.Tensor {
	t := tensor.Tensor{DType: tensor.Float32, Shape: shape}
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(x))
	}
	return t
}

func values(t tensor.Tensor) (v []float32) {
	for i := 0; i < len(t.Data); i += 4 {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(t.Data[i:])))
	}
	return v
}

func TestRunJoinsParts(t *testing.T) {
	m, in := load(t, "half_plus_two/1")
	sig := m.Signatures["serving_default"]
	if sig == nil || len(sig.Inputs) != 1 || sig.Inputs[0].Name != "x" || !sig.Inputs[0].Shape.Equal(tensor.Shape{-1}) {
		t.Fatalf("signature %+v", sig)
	}
	r, err := in.Run(&tensor.Batch{Signature: sig, Parts: [][]tensor.Tensor{{floats(tensor.Shape{2}, 1, 2)}, {floats(tensor.Shape{1}, 5)}},
		Rows: 3, Size: 4, Shapes: []tensor.Shape{{4}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	if got := values(r.Outputs[0]); len(got) != 4 || got[0] != 2.5 || got[1] != 3 || got[2] != 4.5 || got[3] != 4.5 {
		t.Errorf("outputs %v", got)
	}
}

func TestStringsBothWays(t *testing.T) {
	m, in := load(t, "multi/1")
	sig := m.Signatures["serving_default"]
	long := strings.Repeat("shoal", 100)
	part := []tensor.Tensor{
		floats(tensor.Shape{3, 2}, 1, 2, 3, 4, 5, 6),
		{DType: tensor.Int64, Shape: tensor.Shape{3}, Data: make([]byte, 24)},
		{DType: tensor.String, Shape: tensor.Shape{3}, Strings: [][]byte{[]byte("a"), nil, []byte(long)}},
	}
	r, err := in.Run(&tensor.Batch{Signature: sig, Parts: [][]tensor.Tensor{part}, Shapes: []tensor.Shape{{3, 2}, {3}, {3}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	text := r.Outputs[sig.Output("text")].Strings
	if len(text) != 3 || string(text[0]) != "A" || len(text[1]) != 0 || string(text[2]) != strings.ToUpper(long) {
		t.Errorf("text %q", text)
	}
}

func TestHostileTensorsAreRefused(t *testing.T) {
	m, in := load(t, "half_plus_two/1")
	sig := m.Signatures["serving_default"]
	deep := make(tensor.Shape, 255)
	for i := range deep {
		deep[i] = 1
	}
	for name, c := range map[string]struct {
		shape tensor.Shape
		want  codes.Code
	}{
		"product overflows":              {tensor.Shape{1 << 40, 1 << 40}, codes.InvalidArgument},
		"overflows on the way to zero":   {tensor.Shape{1 << 62, 1 << 62, 0}, codes.InvalidArgument},
		"bytes overflow":                 {tensor.Shape{math.MaxInt64}, codes.InvalidArgument},
		"more dimensions than supported": {deep, codes.InvalidArgument},
		"negative":                       {tensor.Shape{-3}, codes.InvalidArgument},
		"no machine has that much":       {tensor.Shape{1 << 45}, codes.ResourceExhausted},
	} {
		_, err := in.Run(&tensor.Batch{Signature: sig, Parts: [][]tensor.Tensor{{{DType: tensor.Float32, Shape: c.shape}}}, Shapes: []tensor.Shape{c.shape}})
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// The instance still works.
	r, err := in.Run(&tensor.Batch{Signature: sig, Parts: [][]tensor.Tensor{{floats(tensor.Shape{1}, 2)}}, Shapes: []tensor.Shape{{1}}})
	if err != nil {
		t.Fatal(err)
	}
	r.Free()
}

func TestKernelErrorsKeepCodeAndText(t *testing.T) {
	m, in := load(t, "fixed/1")
	_, err := in.Run(&tensor.Batch{Signature: m.Signatures["serving_default"], Parts: [][]tensor.Tensor{{floats(tensor.Shape{1, 2}, 1, 2)}}, Shapes: []tensor.Shape{{1, 2}}})
	if s := status.Convert(err); s.Code() != codes.InvalidArgument || !strings.HasPrefix(s.Message(), "Matrix size-incompatible: In[0]: [1,2], In[1]: [3,2]") {
		t.Errorf("%v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	testModel(t, "bad/1")
	empty := t.TempDir()
	for _, c := range []struct {
		dir, want string
		tags      []string
	}{
		{testModel(t, "bad/1"), "", nil},
		{empty, "Could not find SavedModel", nil},
		{testModel(t, "bad_missing_variables/1"), "variables", nil},
		{testModel(t, "half_plus_two/1"), "tags", []string{"train"}},
	} {
		m, err := Load(c.dir, Options{Tags: c.tags})
		if err == nil {
			m.Close()
			t.Errorf("%s: loaded", c.dir)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.dir, err, c.want)
		}
	}
	if _, err := ReadMetaGraph(testModel(t, "bad/1"), []string{"serve"}); status.Code(err) != codes.DataLoss && status.Code(err) != codes.NotFound {
		t.Errorf("reading what is no SavedModel: %v", err)
	}
	if _, err := ReadMetaGraph(testModel(t, "half_plus_two/1"), []string{"train"}); err == nil || !strings.Contains(err.Error(), "{serve}") {
		t.Errorf("wrong tags must name those that are there: %v", err)
	}
}

func TestTF1Model(t *testing.T) {
	m, _ := load(t, "tf1/1")
	if len(m.Signatures) == 0 {
		t.Error("no signatures")
	}
}

// BenchmarkRun is the raw session loop: gather, run, free.
func BenchmarkRun(b *testing.B) {
	m, in := load(b, "mlp/1")
	sig := m.Signatures["serving_default"]
	for _, n := range []int64{1, 8, 64} {
		b.Run(tensor.Shape{n}.String(), func(b *testing.B) {
			x := floats(tensor.Shape{n, 128}, make([]float32, n*128)...)
			batch := &tensor.Batch{Signature: sig, Parts: [][]tensor.Tensor{{x}}, Rows: int(n), Size: int(n), Shapes: []tensor.Shape{x.Shape}}
			b.ReportAllocs()
			for b.Loop() {
				r, err := in.Run(batch)
				if err != nil {
					b.Fatal(err)
				}
				r.Free()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "instances/s")
		})
	}
}
