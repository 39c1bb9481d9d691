package bodies

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/serving/predictionlog/tfrecord"
	"shoal/tensor"
)

// metadata is TensorFlow Serving's answer for a model with two signatures, shortened.
const metadata = `{
"model_spec":{"name":"m","signature_name":"","version":"3"},
"metadata": {"signature_def": {"signature_def": {
 "serving_default": {
  "inputs": {
   "x": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1","name": ""},{"size": "4","name": ""}], "unknown_rank": false}, "name": "x:0"},
   "a": {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": "-1","name": ""}], "unknown_rank": false}, "name": "a:0"}},
  "outputs": {"y": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [], "unknown_rank": true}, "name": "y:0"}},
  "method_name": "tensorflow/serving/predict"},
 "fixed": {
  "inputs": {"n": {"dtype": "DT_INT64", "tensor_shape": {"dim": [{"size": "2","name": ""},{"size": "-1","name": ""}], "unknown_rank": false}, "name": "n:0"}},
  "outputs": {}, "method_name": "tensorflow/serving/predict"},
 "__saved_model_init_op": {"inputs": {}, "outputs": {}, "method_name": ""}}}}}`

func parsed(t *testing.T) *Metadata {
	t.Helper()
	m, err := ParseMetadata([]byte(metadata))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMetadata(t *testing.T) {
	m := parsed(t)
	sig, err := m.Signature("")
	if err != nil || m.Version != "3" || len(m.Signatures) != 2 {
		t.Fatalf("%v, %+v", err, m)
	}
	if len(sig.Inputs) != 2 || sig.Inputs[0].Name != "a" || sig.Inputs[1].DType != tensor.Float32 || !sig.Inputs[1].Shape.Equal(tensor.Shape{-1, 4}) {
		t.Errorf("%+v", sig.Inputs)
	}
	if _, err := m.Signature("other"); err == nil || !strings.Contains(err.Error(), "fixed, serving_default") {
		t.Errorf("an unknown signature: %v", err)
	}
}

// TestRandom: bodies fit the signature, in row form where that can be, and the same seed makes the same ones.
func TestRandom(t *testing.T) {
	m := parsed(t)
	for name, rows := range map[string]int{"serving_default": 3, "fixed": 0} {
		sig, err := m.Signature(name)
		if err != nil {
			t.Fatal(err)
		}
		g := Random{Signature: sig, Sizes: Sizes{{3, 3, 1}}, Unknown: 5, Seed: 9}
		first, err := g.Requests(4)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := g.Requests(4)
		for i, r := range first {
			for k := range r.Inputs {
				if err := r.Inputs[k].Check(); err != nil {
					t.Error(err)
				}
			}
			a, err := REST(sig, r)
			b, _ := REST(sig, again[i])
			if err != nil || !bytes.Equal(a.Data, b.Data) || a.Rows != rows || CountJSON(a.Data) != rows {
				t.Fatalf("%s: %v, %d rows\n%s\n%s", name, err, a.Rows, a.Data, b.Data)
			}
			if strings.Contains(string(a.Data), "signature_name") != (name != DefaultSignature) {
				t.Errorf("%s", a.Data)
			}
			back, err := FromJSON(a.Data, sig) // what the server will read
			if err != nil {
				t.Fatal(err)
			}
			for k := range r.Inputs {
				if !bytes.Equal(back.Inputs[k].Data, r.Inputs[k].Data) || len(back.Inputs[k].Strings) != len(r.Inputs[k].Strings) {
					t.Errorf("%s: input %d is not what was made", name, k)
				}
			}
			if back.Rows != rows {
				t.Errorf("%d rows read, of %d", back.Rows, rows)
			}
		}
	}
}

func TestGRPC(t *testing.T) {
	sig, _ := parsed(t).Signature("")
	list, err := Random{Signature: sig, Sizes: Sizes{{2, 2, 1}}, Seed: 1}.Requests(1)
	if err != nil {
		t.Fatal(err)
	}
	body, err := GRPC(&apis_go_proto.ModelSpec{Name: "m"}, sig, list[0])
	if err != nil {
		t.Fatal(err)
	}
	var req apis_go_proto.PredictRequest
	if err := proto.Unmarshal(body.Data, &req); err != nil {
		t.Fatal(err)
	}
	if req.ModelSpec.Name != "m" || len(req.Inputs) != 2 || len(req.Inputs["x"].FloatVal) != 8 || len(req.Inputs["a"].StringVal) != 2 {
		t.Errorf("%v", &req)
	}
}

func TestSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for text, want := range map[string]struct {
		low, high int
		mean      float64
	}{"8": {8, 8, 8}, "1-64": {1, 64, 32.5}, "1:0.9,32:0.1": {1, 32, 4.1}, "2, 4-6:3": {2, 6, 4.25}} {
		s, err := ParseSizes(text)
		if err != nil || s.Mean() < want.mean-1e-9 || s.Mean() > want.mean+1e-9 {
			t.Fatalf("%s: %v, mean %v", text, err, s.Mean())
		}
		sum, low, high := 0, 1<<30, 0
		for range 20_000 {
			n := s.Pick(r)
			sum, low, high = sum+n, min(low, n), max(high, n)
		}
		if mean := float64(sum) / 20_000; low != want.low || high != want.high || mean < 0.95*want.mean || mean > 1.05*want.mean {
			t.Errorf("%s: %d to %d, mean %.2f", text, low, high, mean)
		}
	}
	for _, text := range []string{"", "0", "-1", "5-2", "a", "1:", "1:-1", "1:0", "1:NaN", "9999999"} {
		if _, err := ParseSizes(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// TestFile: JSON, JSON lines and a recorded log are told apart.
func TestFile(t *testing.T) {
	one := &tensor_go_proto.TensorProto{Dtype: types_go_proto.DataType_DT_FLOAT, FloatVal: []float32{1, 2, 3, 4},
		TensorShape: &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: 1}, {Size: 4}}}}
	record, err := proto.Marshal(&apis_go_proto.PredictionLog{LogType: &apis_go_proto.PredictionLog_PredictLog{PredictLog: &apis_go_proto.PredictLog{
		Request: &apis_go_proto.PredictRequest{Inputs: map[string]*tensor_go_proto.TensorProto{"x": one}}}}})
	if err != nil {
		t.Fatal(err)
	}
	pretty, _ := json.MarshalIndent(map[string]any{"instances": []any{1, 2}}, "", " ")
	for name, c := range map[string]struct {
		content    []byte
		json, logs int
		fails      bool
	}{
		"one":    {content: pretty, json: 1},
		"lines":  {content: []byte("{\"instances\":[1]}\n\n{\"instances\":[2]}\n"), json: 2},
		"log":    {content: tfrecord.Append(tfrecord.Append(nil, record), record), logs: 2},
		"broken": {content: tfrecord.Append(nil, record)[:20], fails: true},
		"empty":  {fails: true},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := ReadFile(path)
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		} else if err == nil && (len(f.JSON) != c.json || len(f.Log) != c.logs) {
			t.Errorf("%s: %d documents, %d records", name, len(f.JSON), len(f.Log))
		}
	}
	sig := &tensor.Signature{Name: DefaultSignature, Inputs: []tensor.Spec{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{-1, 4}}}}
	r, err := FromLog(sig, &apis_go_proto.PredictRequest{Inputs: map[string]*tensor_go_proto.TensorProto{"x": one}})
	if err != nil || r.Rows != 1 {
		t.Fatalf("%v, %+v", err, r)
	}
	if body, err := REST(sig, r); err != nil || string(body.Data) != `{"instances":[[1.0,2.0,3.0,4.0]]}` {
		t.Errorf("%s, %v", body.Data, err)
	}
}
