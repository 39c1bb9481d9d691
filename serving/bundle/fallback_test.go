package bundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/engine"
	"shoal/engine/tensorflow"
	"shoal/serving"
	"shoal/serving/predictionlog"
	"shoal/serving/predictionlog/tfrecord"
	"shoal/tensor"
)

// modelDir is a test model's version; the test is skipped where the models were not made.
func modelDir(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", ".cache", "models", "test", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the test models are not there (make test-models makes them): %v", err)
	}
	return dir
}

// withoutRestore is a copy of a model whose variables are never restored, as a rewriting that goes wrong might leave it: it loads,
// and every run fails.
func withoutRestore(t *testing.T, original string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(original, "saved_model.pb")
	raw, err := os.ReadFile(file)
	saved := new(pb.SavedModel)
	if err == nil {
		err = proto.Unmarshal(raw, saved)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, mg := range saved.MetaGraphs {
		mg.SaverDef = nil
	}
	if raw, err = proto.Marshal(saved); err == nil {
		err = os.WriteFile(filepath.Join(dir, "saved_model.pb"), raw, 0o644)
	}
	if err == nil {
		err = os.CopyFS(filepath.Join(dir, "variables"), os.DirFS(filepath.Join(original, "variables")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// loadWith loads a version with an opener, and returns what the log says too.
func loadWith(t *testing.T, dir string, o Options) (*Bundle, string, error) {
	t.Helper()
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if o.Engine == nil {
		o.Engine = &tensorflow.Engine{ScratchDir: t.TempDir()}
	}
	s, err := NewLoader(o)(serving.ModelConfig{Name: "m"}, 1, dir).Load(t.Context())
	if err != nil {
		return nil, log.String(), err
	}
	b := s.(*Bundle)
	t.Cleanup(b.Close)
	return b, log.String(), nil
}

// opener is TensorFlow with a Load of its own.
type opener struct {
	tensorflow.Engine
	load func(e *tensorflow.Engine, dir string, o engine.Options) (engine.Model, error)
}

func (e *opener) Load(dir string, o engine.Options) (engine.Model, error) {
	return e.load(&e.Engine, dir, o)
}

// A rewritten graph that does not run is given up for the model as it is, which the log and the report say.
func TestARewrittenGraphThatDoesNotRunIsGivenUp(t *testing.T) {
	dir := modelDir(t, "half_plus_two/1")
	broken := withoutRestore(t, dir)
	opened := 0
	b, log, err := loadWith(t, dir, Options{
		Batch: BatchAll, Instances: 1, SyntheticWarmup: true,
		Engine: &opener{Engine: tensorflow.Engine{ScratchDir: t.TempDir()}, load: func(e *tensorflow.Engine, dir string, o engine.Options) (engine.Model, error) {
			opened++
			if !o.AsItIs {
				return e.Load(broken, o)
			}
			return e.Load(dir, o)
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if opened != 2 || strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "loaded as it is") || !strings.Contains(log, "reason=") {
		t.Errorf("opened %d times, log\n%s", opened, log)
	}
	if r := b.Report(); r.FellBack == "" || r.Graph != nil || r.MaxBatchSize < 1 || r.BatchSizeFrom != "measured" {
		t.Errorf("report %+v", r)
	}
	sig, _ := b.Signature("")
	x := tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{1}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(3))}
	a, err := b.Run(t.Context(), batcher.Entry{Signature: sig, Inputs: []tensor.Tensor{x}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Free()
	if y := math.Float32frombits(binary.LittleEndian.Uint32(a.Outputs[0].Data)); y != 3.5 {
		t.Errorf("y is %v, want 3.5", y)
	}
}

// Where the model as it is fails too, its own error is the one reported, and there is no third try.
func TestWhereBothFailTheOriginalsErrorCounts(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(modelDir(t, "half_plus_two/1"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, predictionlog.WarmUpFile)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	record, err := proto.Marshal(&apis_go_proto.PredictionLog{LogType: &apis_go_proto.PredictionLog_PredictLog{PredictLog: &apis_go_proto.PredictLog{
		Request: &apis_go_proto.PredictRequest{ModelSpec: &apis_go_proto.ModelSpec{SignatureName: "none such"}}}}})
	if err == nil {
		err = os.WriteFile(file, tfrecord.Append(nil, record), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	gone := status.Error(codes.Internal, "the original's error")
	_, log, err := loadWith(t, dir, Options{
		Batch: BatchAll, Instances: 1, Warmup: true,
		Engine: &opener{Engine: tensorflow.Engine{ScratchDir: t.TempDir()}, load: func(e *tensorflow.Engine, dir string, o engine.Options) (engine.Model, error) {
			if opened++; o.AsItIs {
				return nil, gone
			}
			return e.Load(dir, o)
		}},
	})
	if !errors.Is(err, gone) || opened != 2 || !strings.Contains(log, "warm-up request 1") {
		t.Errorf("opened %d times: %v, log\n%s", opened, err, log)
	}
	_, _, err = loadWith(t, dir, Options{Batch: BatchAll, Instances: 1, Warmup: true})
	if _, blamed := errors.AsType[*suspectError](err); blamed || !strings.Contains(err.Error(), "warm-up request 1") {
		t.Errorf("%T %v", err, err)
	}
}

func TestExpectedRefusals(t *testing.T) {
	invalid := status.Error(codes.InvalidArgument, "x")
	floats := tensor.Spec{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}}
	for _, c := range []struct {
		name    string
		input   tensor.Spec
		refusal error
		want    bool
	}{
		{"text", tensor.Spec{DType: tensor.String, Shape: tensor.Shape{-1}}, invalid, true},
		{"pictures of any size", tensor.Spec{DType: tensor.Float32, Shape: tensor.Shape{-1, -1, -1, 3}}, invalid, true},
		{"any rank", tensor.Spec{DType: tensor.Float32, UnknownRank: true}, invalid, true},
		{"numbers", floats, invalid, false},
		{"text, and a variable is not there", tensor.Spec{DType: tensor.String}, status.Error(codes.FailedPrecondition, "x"), false},
	} {
		if got := expected(&tensor.Signature{Inputs: []tensor.Spec{c.input}}, c.refusal); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
