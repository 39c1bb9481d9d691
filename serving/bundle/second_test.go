package bundle

import (
	"encoding/binary"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/engine"
	"shoal/engine/openvino"
	"shoal/engine/tensorflow"
	"shoal/serving"
	"shoal/tensor"
)

func needOpenVINO(t *testing.T) {
	t.Helper()
	if err := openvino.Open(); err != nil {
		t.Skip(err)
	}
}

// loadTwo loads a model with TensorFlow and a second engine.
func loadTwo(t *testing.T, dir string, second engine.Second, mode EngineMode) (*Bundle, error) {
	t.Helper()
	needOpenVINO(t)
	o := Options{
		Engine: &tensorflow.Engine{ScratchDir: t.TempDir()}, Second: second, EngineMode: func(string) EngineMode { return mode },
		Instances: 2, Batch: BatchProven, Batching: batcher.Config{MaxBatchSize: 16}, SyntheticWarmup: true, Limiter: batcher.NewLimiter(2, nil),
		Logger: slog.New(slog.DiscardHandler),
	}
	s, err := NewLoader(o)(serving.ModelConfig{Name: "m"}, 1, dir).Load(t.Context())
	if err != nil {
		return nil, err
	}
	t.Cleanup(s.Close)
	return s.(*Bundle), nil
}

// engineOf is what the report says of a signature.
func engineOf(b *Bundle, name string) serving.SignatureEngine {
	for _, e := range b.Report().Engines {
		if e.Signature == name {
			return e
		}
	}
	return serving.SignatureEngine{}
}

func TestSecondEngineRunsWhatItAnswersAlike(t *testing.T) {
	b, err := loadTwo(t, modelDir(t, "mlp/1"), openvino.Second{}, FasterEngine)
	if err != nil {
		t.Fatal(err)
	}
	e := engineOf(b, "serving_default")
	if e.Engine != "openvino" || e.Difference > DefaultEngineTolerance || e.Gain == 0 || e.Runs == 0 {
		t.Fatalf("%+v", e)
	}
	if s := b.Report().Batching[0]; !s.Batched { // proven with the engine that runs it
		t.Errorf("not batched: %s", s.Reason)
	}
}

// other is OpenVINO with another model's graph: its answers disagree.
type other struct {
	openvino.Second
	dir string
}

func (o other) Take(x *engine.Export, sig *tensor.Signature) (engine.Taken, error) {
	wrong := *x
	wrong.Dir = o.dir
	return o.Second.Take(&wrong, sig)
}

func TestSecondEngineThatDisagreesIsRefused(t *testing.T) {
	// The graph of version 2 is another function of the same input.
	b, err := loadTwo(t, modelDir(t, "half_plus_two/1"), other{dir: modelDir(t, "half_plus_two/2")}, FasterEngine)
	if err != nil {
		t.Fatal(err)
	}
	if e := engineOf(b, "serving_default"); e.Engine != "tensorflow" || !strings.Contains(e.Reason, "the engines disagree") || e.Runs > 0 {
		t.Errorf("%+v", e)
	}
}

func TestSecondEngineLeavesStateRandomnessAndStrings(t *testing.T) {
	for dir, why := range map[string]string{
		"rewrite/counter/1": "it may change the model's state", "rows/noise/1": "its answers differ from run to run",
		"test/stringlen/1": "has the type string", "test/fail_on_negative/1": "Assert", "guesslang/1": "has the type string",
	} {
		dir := filepath.Join("..", "..", ".cache", "models", dir)
		b, err := loadTwo(t, dir, openvino.Second{}, FasterEngine)
		if err != nil {
			t.Fatal(dir, err)
		}
		if e := engineOf(b, "serving_default"); e.Engine != "tensorflow" || !strings.Contains(e.Reason, why) {
			t.Errorf("%s: %+v, want %q", dir, e, why)
		}
		if _, err := loadTwo(t, dir, openvino.Second{}, SecondEngine); dir != "../../.cache/models/test/fail_on_negative/1" && status.Code(err) != codes.FailedPrecondition {
			t.Errorf("%s: where OpenVINO is insisted on the load gives %v", dir, err)
		}
	}
}

// TestRequestsOutOfBoundsFailAlone: one request asks for an embedding that is not there. TensorFlow's error is its answer, and those
// that shared its batch are answered.
func TestRequestsOutOfBoundsFailAlone(t *testing.T) {
	dir := filepath.Join("..", "..", ".cache", "models", "rewrite", "transformer", "1")
	b, err := loadTwo(t, dir, openvino.Second{}, FasterEngine)
	if err != nil {
		t.Fatal(err)
	}
	sig, _ := b.Signature("serving_default")
	row := func(last int32) tensor.Tensor {
		x := tensor.Tensor{DType: sig.Inputs[0].DType, Shape: tensor.Shape{1, max(sig.Inputs[0].Shape[1], 4)}}
		x.Data = make([]byte, 4*x.Shape[1])
		binary.LittleEndian.PutUint32(x.Data[len(x.Data)-4:], uint32(last))
		return x
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			last := int32(i % 3)
			if i%10 == 0 {
				last = math.MaxInt32
			}
			arena := tensor.NewArena()
			defer arena.Free()
			a, err := b.Run(t.Context(), batcher.Entry{Signature: sig, Inputs: []tensor.Tensor{row(last)}, Arena: arena})
			defer a.Free()
			switch {
			case last == math.MaxInt32 && (err == nil || !strings.Contains(err.Error(), "is not in [0,")):
				t.Errorf("a request out of bounds gets %v", err)
			case last != math.MaxInt32 && err != nil:
				t.Errorf("its neighbour gets %v", err)
			}
		})
	}
	wg.Wait()
	if e := engineOf(b, "serving_default"); e.Returned == 0 || e.Runs == e.Returned {
		t.Errorf("%d of %d runs were returned to TensorFlow", e.Returned, e.Runs)
	}
}
