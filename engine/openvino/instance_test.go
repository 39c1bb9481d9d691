package openvino_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"shoal/engine/openvino"
	"shoal/engine/tensorflow"
	"shoal/tensor"
)

// openModel loads a model of the tests in both engines.
func openModel(t testing.TB, name, signature string) *pair {
	t.Helper()
	needLibrary(t)
	dir := modelDirs(t)[name]
	m, err := tensorflow.Load(dir, tensorflow.Options{ScratchDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	p, refused := openPair(t, m, signature)
	if refused != "" {
		t.Fatal(refused)
	}
	return p
}

func floats(shape tensor.Shape, values ...float32) tensor.Tensor {
	x := tensor.Tensor{DType: tensor.Float32, Shape: shape}
	for _, v := range values {
		x.Data = binary.LittleEndian.AppendUint32(x.Data, math.Float32bits(v))
	}
	return x
}

// TestGuardLeavesOddValuesToTensorFlow: what TensorFlow would refuse, or may answer otherwise, is not run.
func TestGuardLeavesOddValuesToTensorFlow(t *testing.T) {
	half := openModel(t, "test/half_plus_two/1", "serving_default")
	embedding := openModel(t, "rewrite/transformer/1", "serving_default")
	ids := func(values ...int32) tensor.Tensor {
		x := tensor.Tensor{DType: embedding.sig.Inputs[0].DType, Shape: tensor.Shape{1, int64(len(values))}}
		for _, v := range values {
			x.Data = binary.LittleEndian.AppendUint32(x.Data, uint32(v))
		}
		return x
	}
	inner := embedding.sig.Inputs[0].Shape[1]
	row := func(last int32) tensor.Tensor {
		list := make([]int32, max(inner, 4))
		list[len(list)-1] = last
		return ids(list...)
	}
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		p     *pair
		input tensor.Tensor
		runs  bool
	}{
		"finite":             {half, floats(tensor.Shape{2}, 1, 2), true},
		"not a number":       {half, floats(tensor.Shape{3}, 1, nan, 2), false},
		"infinite":           {half, floats(tensor.Shape{1}, float32(math.Inf(-1))), false},
		"no rows":            {half, floats(tensor.Shape{0}), false},
		"a scalar":           {half, floats(tensor.Shape{}, 1), false},
		"a table":            {half, floats(tensor.Shape{1, 2}, 1, 2), false},
		"an index":           {embedding, row(1), true},
		"a negative index":   {embedding, row(-1), false},
		"an index too large": {embedding, row(1 << 20), false},
	} {
		r, err := c.p.ov.Run(batchOf(c.p.sig, []tensor.Tensor{c.input}))
		if c.runs && err != nil || !c.runs && err != openvino.ErrOutside {
			t.Errorf("%s: error %v; it is to run: %v", name, err, c.runs)
		}
		r.Free()
	}
}

// TestResultsKeepTheirValues while other batches run, and when the instance is closed.
func TestResultsKeepTheirValues(t *testing.T) {
	p := openModel(t, "test/mlp/1", "serving_default")
	random := rand.New(rand.NewPCG(3, 4))
	type kept struct {
		want []byte
		r    *tensor.Result
	}
	var all []kept
	for _, rows := range []int64{1, 64, 3, 64, 200, 1, 7} {
		b := batchOf(p.sig, randomInputs(p.sig, rows, random))
		r, err := p.ov.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, kept{slices.Clone(r.Outputs[0].Data), r})
	}
	for i := range all[:3] { // their memory is written again
		all[i].r.Free()
	}
	for range 5 {
		r, err := p.ov.Run(batchOf(p.sig, randomInputs(p.sig, 50, random)))
		if err != nil {
			t.Fatal(err)
		}
		r.Free()
	}
	for i, k := range all[3:] {
		if !slices.Equal(k.want, k.r.Outputs[0].Data) {
			t.Errorf("result %d has changed", i+3)
		}
		k.r.Free()
	}
}

// TestInstancesRunSideBySide compares what two instances answer at the same time with TensorFlow's answers.
func TestInstancesRunSideBySide(t *testing.T) {
	var wg sync.WaitGroup
	for seed := range uint64(2) {
		p := openModel(t, "test/mlp/1", "serving_default")
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, 6))
			for range 100 {
				p.compare(t, randomInputs(p.sig, 1+random.Int64N(40), random))
			}
		})
	}
	wg.Wait()
}

// TestGatheredRows runs a batch of several parts that is filled up to a larger size.
func TestGatheredRows(t *testing.T) {
	p := openModel(t, "test/half_plus_two/1", "serving_default")
	b := &tensor.Batch{Signature: p.sig, Rows: 3, Size: 4, Shapes: []tensor.Shape{{4}},
		Parts: [][]tensor.Tensor{{floats(tensor.Shape{1}, 2)}, {floats(tensor.Shape{2}, 4, 6)}}}
	r, err := p.ov.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	if want := floats(tensor.Shape{4}, 3, 4, 5, 4); !slices.Equal(r.Outputs[0].Data, want.Data) {
		t.Errorf("%x, want %x", r.Outputs[0].Data, want.Data)
	}
}

func TestUnreadableModels(t *testing.T) {
	needLibrary(t)
	_, err := openvino.Read(filepath.Join(t.TempDir(), "none"), new(tensor.Signature), openvino.Options{})
	if err == nil {
		t.Fatal("a model that is not there was read")
	}
	t.Log(err)
}

// BenchmarkSizes runs batches of another size each time, as a server does.
func BenchmarkSizes(b *testing.B) {
	p := openModel(b, "test/mlp/1", "serving_default")
	var batches []*tensor.Batch
	for _, rows := range []int64{17, 14, 20, 18, 15, 19, 16, 21} {
		batches = append(batches, batchOf(p.sig, randomInputs(p.sig, rows, rand.New(rand.NewPCG(1, 1)))))
	}
	tf, err := tensorflow.Load(modelDirs(b)["test/mlp/1"], tensorflow.Options{
		Config: tensorflow.SessionConfig(nil, 1), Signatures: map[string]*tensor.Signature{"serving_default": p.sig},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(tf.Close)
	first, err := tf.NewInstance() // with one thread, as in a server
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(first.Close)
	for name, run := range map[string]func(*tensor.Batch) (*tensor.Result, error){"openvino": p.ov.Run, "tensorflow": first.Run} {
		b.Run(name, func(b *testing.B) {
			i, used := 0, time.Duration(0)
			for b.Loop() {
				r, err := run(batches[i%len(batches)])
				if err != nil {
					b.Fatal(err)
				}
				used += r.CPU
				r.Free()
				i++
			}
			b.ReportMetric(float64(used.Microseconds())/float64(i), "cpu-µs/op")
		})
	}
}

func BenchmarkRun(b *testing.B) {
	p := openModel(b, "test/mlp/1", "serving_default")
	for name, run := range map[string]func(*tensor.Batch) (*tensor.Result, error){"openvino": p.ov.Run, "tensorflow": p.tf.Run} {
		for _, rows := range []int64{1, 18, 64} {
			batch := batchOf(p.sig, randomInputs(p.sig, rows, rand.New(rand.NewPCG(1, 1))))
			batch.Unmetered = true
			b.Run(name+"/"+map[int64]string{1: "1", 18: "18", 64: "64"}[rows], func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r, err := run(batch)
					if err != nil {
						b.Fatal(err)
					}
					r.Free()
				}
			})
		}
	}
}
