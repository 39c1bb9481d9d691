package inference

import (
	"context"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/batcher"
	"shoal/serving/servingtest"
	"shoal/tensor"
)

func task(model, sig, method string) *apis_go_proto.InferenceTask {
	return &apis_go_proto.InferenceTask{ModelSpec: &apis_go_proto.ModelSpec{Name: model, SignatureName: sig}, MethodName: method}
}

func multiModel() *servingtest.Model {
	return &servingtest.Model{
		Signatures: map[string]*tensor.Signature{"c": sig("c", ClassifyMethod, "inputs", "scores"), "r": sig("r", RegressMethod, "inputs", "outputs")},
		Compute: func(_ context.Context, e batcher.Entry) ([]tensor.Tensor, error) {
			n := len(e.Inputs[0].Strings)
			return []tensor.Tensor{servingtest.Floats(tensor.Shape{int64(n), 1}, make([]float32, n)...)}, nil
		},
	}
}

func multi(t *testing.T, m *servingtest.Model, tasks []*apis_go_proto.InferenceTask, examples [][]byte) (*apis_go_proto.MultiInferenceResponse, error) {
	r, err := (&Request{Method: MultiInference, Tasks: tasks, Examples: examples}).Run(t.Context(), handle(m))
	return r.Multi, err
}

func TestMultiInference(t *testing.T) {
	r, err := multi(t, multiModel(), []*apis_go_proto.InferenceTask{task("m", "r", RegressMethod), task("m", "c", ClassifyMethod)}, two)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 2 || len(r.Results[0].GetRegressionResult().GetRegressions()) != 2 || len(r.Results[1].GetClassificationResult().GetClassifications()) != 2 {
		t.Errorf("got %v", r)
	}
	if s := r.Results[1].ModelSpec; s.Name != "m" || s.GetVersion().GetValue() != 7 || s.SignatureName != "c" {
		t.Errorf("model spec %v", s)
	}
}

func TestMultiInferenceErrors(t *testing.T) {
	for _, c := range []struct {
		tasks []*apis_go_proto.InferenceTask
		code  codes.Code
		text  string
	}{
		{[]*apis_go_proto.InferenceTask{task("", "c", ClassifyMethod)}, codes.InvalidArgument, "Found ModelSpec with an empty model name."},
		{[]*apis_go_proto.InferenceTask{task("m", "c", ClassifyMethod), task("n", "r", RegressMethod)}, codes.InvalidArgument, "All ModelSpecs in a MultiInferenceRequest must access the same model name."},
		{[]*apis_go_proto.InferenceTask{task("m", "c", ClassifyMethod), task("m", "c", RegressMethod)}, codes.InvalidArgument, "Duplicate evaluation of signature: c"},
		{[]*apis_go_proto.InferenceTask{task("m", "", ClassifyMethod)}, codes.InvalidArgument, "Requested signature not found in model graph: serving_default"},
		{[]*apis_go_proto.InferenceTask{task("m", "r", ClassifyMethod)}, codes.InvalidArgument, "Expected classification signature outputs"},
		{[]*apis_go_proto.InferenceTask{task("m", "c", PredictMethod)}, codes.Unimplemented, "Unsupported signature method_name: tensorflow/serving/predict"},
	} {
		_, err := multi(t, multiModel(), c.tasks, two)
		wantStatus(t, err, c.code, c.text)
	}
	_, err := multi(t, multiModel(), []*apis_go_proto.InferenceTask{task("m", "c", ClassifyMethod)}, nil)
	wantStatus(t, err, codes.InvalidArgument, "Input is empty.")
}

func TestMultiInferenceCancelsTheRest(t *testing.T) {
	f := multiModel()
	f.Compute = func(ctx context.Context, e batcher.Entry) ([]tensor.Tensor, error) {
		if e.Signature.Name == "c" {
			<-ctx.Done()
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		return nil, status.Error(codes.DataLoss, "broken example")
	}
	_, err := multi(t, f, []*apis_go_proto.InferenceTask{task("m", "c", ClassifyMethod), task("m", "r", RegressMethod)}, two)
	wantStatus(t, err, codes.DataLoss, "broken example")
}

func example(features map[string]float32) *example_protos_go_proto.Example {
	m := map[string]*example_protos_go_proto.Feature{}
	for k, v := range features {
		m[k] = &example_protos_go_proto.Feature{Kind: &example_protos_go_proto.Feature_FloatList{FloatList: &example_protos_go_proto.FloatList{Value: []float32{v}}}}
	}
	return &example_protos_go_proto.Example{Features: &example_protos_go_proto.Features{Feature: m}}
}

func TestExamples(t *testing.T) {
	one, other := example(map[string]float32{"x": 1}), example(map[string]float32{"y": 2})
	got, err := Examples(&apis_go_proto.Input{Kind: &apis_go_proto.Input_ExampleList{ExampleList: &apis_go_proto.ExampleList{
		Examples: []*example_protos_go_proto.Example{one, other}}}})
	checkExamples(t, got, err, one, other)

	got, err = Examples(&apis_go_proto.Input{Kind: &apis_go_proto.Input_ExampleListWithContext{ExampleListWithContext: &apis_go_proto.ExampleListWithContext{
		Examples: []*example_protos_go_proto.Example{one, other}, Context: example(map[string]float32{"y": 9, "z": 3})}}})
	checkExamples(t, got, err, example(map[string]float32{"x": 1, "y": 9, "z": 3}), example(map[string]float32{"y": 2, "z": 3}))

	for _, in := range []*apis_go_proto.Input{nil, {}, {Kind: &apis_go_proto.Input_ExampleList{}}} {
		got, err := Examples(in)
		checkExamples(t, got, err)
	}
	_, err = SerializedExamples([]byte{0xff})
	wantStatus(t, err, codes.Internal, "Error parsing serialized input.")
}

func checkExamples(t *testing.T, got [][]byte, err error, want ...*example_protos_go_proto.Example) {
	t.Helper()
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %d examples, %v; want %d", len(got), err, len(want))
	}
	for i := range want {
		var e example_protos_go_proto.Example
		if err := proto.Unmarshal(got[i], &e); err != nil || !proto.Equal(&e, want[i]) {
			t.Errorf("example %d: %v, %v; want %v", i, &e, err, want[i])
		}
	}
}
