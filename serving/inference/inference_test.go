package inference

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func handle(m *servingtest.Model) *serving.Handle { return serving.NewHandle(m, "m", 7, nil) }

func sig(name, method, input string, outputs ...string) *tensor.Signature {
	s := &tensor.Signature{Name: name, Method: method}
	if input != "" {
		s.Inputs = []tensor.Spec{{Name: input, DType: tensor.String}}
	}
	for _, o := range outputs {
		s.Outputs = append(s.Outputs, tensor.Spec{Name: o})
	}
	return s
}

func texts(shape tensor.Shape, values ...string) tensor.Tensor {
	t := tensor.Tensor{DType: tensor.String, Shape: shape}
	for _, v := range values {
		t.Strings = append(t.Strings, []byte(v))
	}
	return t
}

// outputs is a model with these outputs, whatever it is given.
func outputs(ts ...tensor.Tensor) *servingtest.Model {
	return &servingtest.Model{Compute: func(context.Context, batcher.Entry) ([]tensor.Tensor, error) { return ts, nil }}
}

func wantStatus(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || !strings.HasPrefix(status.Convert(err).Message(), text) {
		t.Errorf("got %v\nwant %v %q", err, code, text)
	}
}

func classify(t *testing.T, m *servingtest.Model, signature string, examples [][]byte) (*apis_go_proto.ClassificationResult, error) {
	r, err := (&Request{Method: Classify, Signature: signature, Examples: examples}).Run(t.Context(), handle(m))
	return r.Classification, err
}

func regress(t *testing.T, m *servingtest.Model, signature string, examples [][]byte) (*apis_go_proto.RegressionResult, error) {
	r, err := (&Request{Method: Regress, Signature: signature, Examples: examples}).Run(t.Context(), handle(m))
	return r.Regression, err
}

var two = [][]byte{[]byte("a"), []byte("b")}

func TestClassify(t *testing.T) {
	for name, c := range map[string]struct {
		outs []string
		ts   []tensor.Tensor
		want string
	}{
		"both": {[]string{"classes", "scores"},
			[]tensor.Tensor{texts(tensor.Shape{2, 2}, "x", "y", "z", ""), servingtest.Floats(tensor.Shape{2, 2}, 1, 2, 3, 4)}, "x:1,y:2,;z:3,:4,;"},
		"classes":          {[]string{"classes"}, []tensor.Tensor{texts(tensor.Shape{2, 1}, "x", "y")}, "x:0,;y:0,;"},
		"scores":           {[]string{"scores"}, []tensor.Tensor{servingtest.Floats(tensor.Shape{2, 1}, 1.5, 2)}, ":1.5,;:2,;"},
		"no classes":       {[]string{"scores"}, []tensor.Tensor{servingtest.Floats(tensor.Shape{2, 0})}, ";;"},
		"an output beside": {[]string{"other", "scores"}, []tensor.Tensor{servingtest.Floats(tensor.Shape{}, 1), servingtest.Floats(tensor.Shape{2, 1}, 3, 4)}, ":3,;:4,;"},
	} {
		f := outputs(c.ts...)
		f.Signatures = map[string]*tensor.Signature{DefaultSignature: sig(DefaultSignature, PredictMethod, "inputs", c.outs...)}
		r, err := classify(t, f, "", two)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var b strings.Builder
		for _, row := range r.Classifications {
			for _, cl := range row.Classes {
				fmt.Fprintf(&b, "%s:%v,", cl.Label, cl.Score)
			}
			b.WriteByte(';')
		}
		if b.String() != c.want {
			t.Errorf("%s: got %q, want %q", name, b.String(), c.want)
		}
	}
}

func TestSignatureErrors(t *testing.T) {
	f := outputs()
	f.Signatures = map[string]*tensor.Signature{}
	for _, s := range []*tensor.Signature{
		sig("predict", PredictMethod, "x", "y"), sig("none", PredictMethod, "", "y"), sig("three", PredictMethod, "inputs", "a", "b", "c"),
		sig("strange", PredictMethod, "inputs", "y"), sig("classify", ClassifyMethod, "inputs", "scores"), sig("regress", RegressMethod, "inputs", "outputs"),
	} {
		f.Signatures[s.Name] = s
	}
	f.Signatures["dense"] = sig("dense", PredictMethod, "inputs", "outputs")
	f.Signatures["dense"].Inputs[0].DType = tensor.Float32

	for _, c := range []struct {
		method, sig, text string
		examples          [][]byte
		checkMethodName   bool
	}{
		{"c", "", "No signature was found with the name: serving_default", two, false},
		{"c", "nope", "No signature was found with the name: nope", two, false},
		{"c", "none", "Expected one input Tensor.", two, false},
		{"c", "three", "Expected one or two output Tensors, found 3", two, false},
		{"c", "predict", "No classification inputs found in SignatureDef: method_name:", two, false},
		{"c", "strange", `Expected classification signature outputs to contain at least one of "classes" or "scores". Signature was: method_name:`, two, false},
		{"c", "classify", "Input is empty.", nil, false},
		{"c", "regress", "Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/regress", two, true},
		{"r", "nope", "No signature was found with the name: nope", two, false},
		{"r", "none", "Expected one input Tensor.", two, false},
		{"r", "three", "Expected one output Tensor.", two, false},
		{"r", "predict", "No regression inputs found in SignatureDef: method_name:", two, false},
		{"r", "strange", "No regression outputs found in SignatureDef: method_name:", two, false},
		{"r", "regress", "Input is empty.", nil, false},
		{"r", "dense", "Expects arg[0] to be float but string is provided", two, false},
		{"r", "classify", "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/classify", two, true},
	} {
		req := Request{Method: Classify, Signature: c.sig, Examples: c.examples, CheckMethodName: c.checkMethodName}
		if c.method == "r" {
			req.Method = Regress
		}
		_, err := req.Run(t.Context(), handle(f))
		wantStatus(t, err, codes.InvalidArgument, c.text)
	}
}

func TestOutputErrors(t *testing.T) {
	ints := tensor.Tensor{DType: tensor.Int32, Shape: tensor.Shape{2, 1}, Data: make([]byte, 8)}
	for _, c := range []struct {
		out  string
		t    tensor.Tensor
		text string
	}{
		{"scores", servingtest.Floats(tensor.Shape{2}, 1, 2), "Expected Tensor shape: [batch_size num_classes] but got [2]"},
		{"scores", ints, "Expected scores Tensor of DT_FLOAT. Got: DT_INT32"},
		{"scores", servingtest.Floats(tensor.Shape{1, 2}, 1, 2), "Expected scores output batch size of 2. Got: 1"},
		{"classes", texts(tensor.Shape{}, "x"), "Expected Tensor shape: [batch_size num_classes] but got []"},
		{"classes", ints, "Expected classes Tensor of DT_STRING. Got: DT_INT32"},
		{"classes", texts(tensor.Shape{1, 1}, "x"), "Expected classes output batch size of 2. Got: 1"},
		{"outputs", servingtest.Floats(tensor.Shape{2, 2}, 1, 2, 3, 4), "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]"},
		{"outputs", servingtest.Floats(tensor.Shape{1, 1}, 1), "Input batch size did not match output batch size: 2 vs. 1"},
		{"outputs", ints, "Expected output Tensor of DT_FLOAT.  Got: DT_INT32"},
	} {
		f := outputs(c.t)
		f.Signatures = map[string]*tensor.Signature{"s": sig("s", "", "inputs", c.out)}
		var err error
		if c.out == "outputs" {
			_, err = regress(t, f, "s", two)
		} else {
			_, err = classify(t, f, "s", two)
		}
		wantStatus(t, err, codes.InvalidArgument, c.text)
	}
	f := outputs(texts(tensor.Shape{2, 1}, "x", "y"), servingtest.Floats(tensor.Shape{2, 2}, 1, 2, 3, 4))
	f.Signatures = map[string]*tensor.Signature{"s": sig("s", "", "inputs", "classes", "scores")}
	_, err := classify(t, f, "s", two)
	wantStatus(t, err, codes.InvalidArgument, "Tensors class and score should match in dim_size(1). Got 1 vs. 2")
}

func TestRegress(t *testing.T) {
	for _, shape := range []tensor.Shape{{2}, {2, 1}} {
		f := outputs(servingtest.Floats(shape, 1.5, -2))
		f.Signatures = map[string]*tensor.Signature{DefaultSignature: sig(DefaultSignature, "", "inputs", "outputs")}
		r, err := regress(t, f, "", two)
		if err != nil || len(r.Regressions) != 2 || r.Regressions[0].Value != 1.5 || r.Regressions[1].Value != -2 {
			t.Errorf("%v: %v, %v", shape, r, err)
		}
	}
}

// A task that fails ends the others, and its own error is the one reported.
func TestErrorsPassThrough(t *testing.T) {
	boom := errors.New("boom")
	f := multiModel()
	f.Compute = func(context.Context, batcher.Entry) ([]tensor.Tensor, error) { return nil, boom }
	if _, err := classify(t, f, "c", two); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if _, err := regress(t, f, "r", two); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}
