package predictionlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/engine"
	"shoal/serving"
	"shoal/serving/predictionlog/tfrecord"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a servable that writes down what it runs. Outputs of the type of the first input are that input.
type fake struct {
	fail func(run int) error // may be nil

	mu   sync.Mutex
	runs []string // "signature input=type[shape]values …"
}

func spec(name string, d tensor.DType, shape ...int64) tensor.Spec {
	return tensor.Spec{Name: name, DType: d, Shape: shape}
}

var signatures = map[string]*tensor.Signature{
	"serving_default": {Name: "serving_default", Inputs: []tensor.Spec{spec("x", tensor.Float32, -1)}, Outputs: []tensor.Spec{spec("y", tensor.Float32, -1)}},
	"text": {Name: "text", Inputs: []tensor.Spec{withDefault(spec("k", tensor.Int64), 42), spec("s", tensor.String, -1, 2)},
		Outputs: []tensor.Spec{spec("k", tensor.Int64), spec("s", tensor.String, -1, 2)}},
	"classify": {Name: "classify", Method: "tensorflow/serving/classify", Inputs: []tensor.Spec{spec("inputs", tensor.String, -1)},
		Outputs: []tensor.Spec{spec("scores", tensor.Float32, -1, 1)}},
	"regress": {Name: "regress", Method: "tensorflow/serving/regress", Inputs: []tensor.Spec{spec("inputs", tensor.String, -1)},
		Outputs: []tensor.Spec{spec("outputs", tensor.Float32, -1)}},
}

// withDefault has a scalar as the default value.
func withDefault(s tensor.Spec, n uint64) tensor.Spec {
	s.Default = &tensor.Tensor{DType: s.DType, Shape: tensor.Shape{}, Data: binary.LittleEndian.AppendUint64(nil, n)}
	return s
}

func (f *fake) Signature(name string) (*tensor.Signature, bool) {
	s, ok := signatures[name]
	return s, ok
}
func (f *fake) Close() {}

func (f *fake) Describe() *engine.Description { return &engine.Description{Signatures: signatures} }

func (f *fake) Run(_ context.Context, e batcher.Entry) (*batcher.Answer, error) {
	sig, in := e.Signature, e.Inputs
	text := sig.Name
	for i, t := range in {
		if err := t.Check(); err != nil {
			return nil, err
		}
		text += " " + sig.Inputs[i].Name + "=" + show(t)
	}
	f.mu.Lock()
	f.runs = append(f.runs, text)
	n := len(f.runs)
	f.mu.Unlock()
	if f.fail != nil {
		if err := f.fail(n); err != nil {
			return nil, err
		}
	}
	out := slices.Clone(in)
	if sig.Method != "" { // a score, or a value, for each example
		rows := in[0].Rows()
		out[0] = floats(make([]float32, rows)...)
		if sig.Name == "classify" {
			out[0].Shape = append(out[0].Shape, 1)
		}
	}
	return &batcher.Answer{Outputs: out}, nil
}

func (f *fake) handle() *serving.Handle { return serving.NewHandle(f, "m", 7, nil) }

func show(t tensor.Tensor) string {
	s := fmt.Sprintf("%v%v", t.DType, t.Shape)
	switch t.DType {
	case tensor.Float32:
		for b := t.Data; len(b) > 0; b = b[4:] {
			s += fmt.Sprint(" ", math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case tensor.Int64:
		for b := t.Data; len(b) > 0; b = b[8:] {
			s += fmt.Sprint(" ", int64(binary.LittleEndian.Uint64(b)))
		}
	default:
		s += fmt.Sprintf(" %q", t.Strings)
	}
	return s
}

func floats(values ...float32) tensor.Tensor {
	return servingtest.Floats(tensor.Shape{int64(len(values))}, values...)
}

func integer(v int64) tensor.Tensor {
	return tensor.Tensor{DType: tensor.Int64, Data: binary.LittleEndian.AppendUint64(nil, uint64(v))}
}

func asked(signature string) *apis_go_proto.ModelSpec {
	return &apis_go_proto.ModelSpec{Name: "m", SignatureName: signature}
}

// warmUpDir is a version's directory with this warm-up file.
func warmUpDir(t *testing.T, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, WarmUpFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// frame makes a file of these records.
func frame(t *testing.T, records ...*apis_go_proto.PredictionLog) (file []byte) {
	t.Helper()
	for _, r := range records {
		data, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		file = tfrecord.Append(file, data)
	}
	return file
}

// contents reads every record of every file that path matches, the oldest file first.
func contents(t *testing.T, pattern string) (logs []*apis_go_proto.PredictionLog) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		in := tfrecord.NewReader(bytes.NewReader(file), maxRecordBytes)
		for data, err := in.Next(); ; data, err = in.Next() {
			if err != nil {
				if err.Error() != "EOF" {
					t.Errorf("%s: %v", path, err)
				}
				break
			}
			log := new(apis_go_proto.PredictionLog)
			if err := proto.Unmarshal(data, log); err != nil {
				t.Fatal(err)
			}
			logs = append(logs, log)
		}
	}
	return logs
}
