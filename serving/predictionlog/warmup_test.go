package predictionlog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/internal/testlog"
	"shoal/serving/inference"
	"shoal/serving/predictionlog/tfrecord"
	"shoal/tensor"
)

func predictLog(signature string, inputs map[string]*tensor_go_proto.TensorProto, filter ...string) *apis_go_proto.PredictionLog {
	return &apis_go_proto.PredictionLog{LogType: &apis_go_proto.PredictionLog_PredictLog{PredictLog: &apis_go_proto.PredictLog{
		Request: &apis_go_proto.PredictRequest{ModelSpec: asked(signature), Inputs: inputs, OutputFilter: filter}}}}
}

func inputX(values ...float32) map[string]*tensor_go_proto.TensorProto {
	x := floats(values...)
	return map[string]*tensor_go_proto.TensorProto{"x": message(&x)}
}

// TestWarmUp runs a file of each kind of request that TensorFlow wrote.
func TestWarmUp(t *testing.T) {
	file, err := os.ReadFile("testdata/tf_serving_warmup_requests")
	if err != nil {
		t.Fatal(err)
	}
	example := func(values ...float32) string {
		var wire []byte
		for _, v := range values {
			feature := &example_protos_go_proto.Feature{Kind: &example_protos_go_proto.Feature_FloatList{FloatList: &example_protos_go_proto.FloatList{Value: []float32{v}}}}
			e, err := proto.Marshal(&example_protos_go_proto.Example{Features: &example_protos_go_proto.Features{
				Feature: map[string]*example_protos_go_proto.Feature{"x": feature}}})
			if err != nil {
				t.Fatal(err)
			}
			wire = append(wire, e...)
		}
		return string(wire)
	}
	want := []string{
		"serving_default x=float[3] 1 2 5",
		`text k=int64[] 7 s=string[2,2] ["a" "" "ccc" "d"]`,
		fmt.Sprintf("classify inputs=string[2] %q", []string{example(1), example(2)}),
		fmt.Sprintf("regress inputs=string[3] %q", []string{example(4), example(4), example(4, 3)}),
		fmt.Sprintf("classify inputs=string[1] %q", []string{example(6)}),
		fmt.Sprintf("regress inputs=string[1] %q", []string{example(6)}),
	}
	for _, iterations := range []int{0, 3} {
		var servable fake
		var said testlog.Log
		n, err := WarmUp(t.Context(), warmUpDir(t, file), &servable, WarmUpOptions{Iterations: iterations, Logger: said.Logger()})
		if err != nil || n != 5 {
			t.Fatalf("%d records, %v", n, err)
		}
		repeated := max(iterations, 1)
		if len(servable.runs) != len(want)*repeated {
			t.Errorf("%d iterations: %d runs", iterations, len(servable.runs))
		}
		for _, w := range want {
			if got := len(matching(servable.runs, w)); got != repeated {
				t.Errorf("%d iterations: %d times %q in\n%s", iterations, got, w, strings.Join(servable.runs, "\n"))
			}
		}
		if got := matching(servable.runs[:repeated], want[0]); len(got) != repeated {
			t.Errorf("the first record did not run first: %q", servable.runs)
		}
		if len(said.Lines("requests=5")) != 1 {
			t.Error("nothing was said about it")
		}
	}
}

func matching(runs []string, want string) (found []string) {
	for _, r := range runs {
		if r == want {
			found = append(found, r)
		}
	}
	return found
}

func TestWarmUpWithoutFile(t *testing.T) {
	n, err := WarmUp(t.Context(), t.TempDir(), new(fake), WarmUpOptions{})
	if n != 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, WarmUpFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err = WarmUp(t.Context(), dir, new(fake), WarmUpOptions{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a folder in the file's place: %v", err)
	}
}

func TestWarmUpDefaultsAndEmptyRecords(t *testing.T) {
	s := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{1, 2}, Strings: [][]byte{[]byte("a"), []byte("b")}}
	file := frame(t, new(apis_go_proto.PredictionLog),
		predictLog("text", map[string]*tensor_go_proto.TensorProto{"s": message(&s)}, "s"))
	var servable fake
	n, err := WarmUp(t.Context(), warmUpDir(t, file), &servable, WarmUpOptions{})
	if want := []string{`text k=int64[] 42 s=string[1,2] ["a" "b"]`}; n != 2 || err != nil || !slices.Equal(servable.runs, want) {
		t.Errorf("%d, %v, %q", n, err, servable.runs)
	}
}

func TestWarmUpErrors(t *testing.T) {
	good := predictLog("", inputX(1))
	session := &apis_go_proto.PredictionLog{LogType: &apis_go_proto.PredictionLog_SessionRunLog{SessionRunLog: &apis_go_proto.SessionRunLog{}}}
	streamed := &apis_go_proto.PredictionLog{LogType: &apis_go_proto.PredictionLog_PredictStreamedLog{}}
	classify := &apis_go_proto.PredictionLog{LogType: &apis_go_proto.PredictionLog_ClassifyLog{
		ClassifyLog: &apis_go_proto.ClassifyLog{Request: &apis_go_proto.ClassificationRequest{ModelSpec: asked("classify")}}}}
	k := integer(1)
	huge := &tensor_go_proto.TensorProto{Dtype: types_go_proto.DataType_DT_FLOAT, TensorShape: message(&tensor.Tensor{Shape: tensor.Shape{1 << 40}}).TensorShape}
	whole := frame(t, good, good)
	for _, c := range []struct {
		name string
		file []byte
		runs int
		code codes.Code
		want []string
	}{
		{"session run", frame(t, good, session), 1, codes.Unimplemented, []string{"warm-up request 2 in", "Unsupported log_type for warmup: session_run_log"}},
		{"streamed", frame(t, streamed), 0, codes.Unimplemented, []string{"warm-up request 1 in", "Unsupported log_type for warmup: predict_streamed_log"}},
		{"no message", tfrecord.Append(nil, []byte("\xff")), 0, codes.InvalidArgument, []string{"warm-up request 1 in", "Failed to parse warmup record"}},
		{"unknown signature", frame(t, good, predictLog("none", nil)), 1, codes.FailedPrecondition, []string{"warm-up request 2 in", `Serving signature key "none" not found.`}},
		{"no input", frame(t, predictLog("", nil)), 0, codes.InvalidArgument, []string{`input "x" of signature serving_default is missing`}},
		{"unknown input", frame(t, predictLog("", map[string]*tensor_go_proto.TensorProto{"z": {}})), 0, codes.InvalidArgument, []string{`has no input "z"; its inputs are {x}`}},
		{"wrong type", frame(t, predictLog("", map[string]*tensor_go_proto.TensorProto{"x": message(&k)})), 0, codes.InvalidArgument, []string{`input "x" is to be float but int64 is provided`}},
		{"no tensor", frame(t, predictLog("", map[string]*tensor_go_proto.TensorProto{"x": {}})), 0, codes.InvalidArgument, []string{`input "x": tensor parsing error`}},
		{"hostile shape", frame(t, predictLog("", map[string]*tensor_go_proto.TensorProto{"x": huge})), 0, codes.InvalidArgument, []string{`input "x"`, "needs more than the 2147483648 bytes"}},
		{"unknown output", frame(t, predictLog("", inputX(1), "z")), 0, codes.InvalidArgument, []string{"output tensor alias not found in signature: z"}},
		{"no examples", frame(t, classify), 0, codes.InvalidArgument, []string{"Input is empty."}},
		{"the model fails", frame(t, good, good, predictLog("", inputX(2)), good), 3, codes.Internal, []string{"warm-up request 3 in", "it does not like 2"}},
		{"too many", bytes.Repeat(frame(t, good), 1001), 1000, codes.InvalidArgument, []string{"Number of warmup records exceeds the maximum (1000) at"}},
		{"cut", whole[:len(whole)-1], 1, codes.DataLoss, []string{"truncated record at", "number 2 in the file", "Please verify your warmup data is in TFRecord format."}},
		{"text", []byte("no records at all"), 0, codes.DataLoss, []string{"corrupted record at 0", "Please verify your warmup data is in TFRecord format."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			servable := &fake{}
			servable.fail = func(int) error {
				if servable.runs[len(servable.runs)-1] == "serving_default x=float[1] 2" {
					return status.Error(codes.Internal, "it does not like 2")
				}
				return nil
			}
			dir := warmUpDir(t, c.file)
			n, err := WarmUp(t.Context(), dir, servable, WarmUpOptions{})
			if status.Code(err) != c.code {
				t.Fatalf("got %v, want %v", err, c.code)
			}
			for _, want := range append(c.want, filepath.Join(dir, WarmUpFile)) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %v", want, err)
				}
			}
			if len(servable.runs) != c.runs || n > c.runs {
				t.Errorf("%d runs, %d records", len(servable.runs), n)
			}
		})
	}
}

func TestWarmUpChecksMethodNames(t *testing.T) {
	h := new(fake).handle()
	file := frame(t, Inference(h, asked("regress"), inference.Request{Method: inference.Regress, Examples: [][]byte{nil}}, inference.Result{}))
	signatures["regress"].Method = "other"
	defer func() { signatures["regress"].Method = "tensorflow/serving/regress" }()
	dir := warmUpDir(t, file)
	if _, err := WarmUp(t.Context(), dir, new(fake), WarmUpOptions{}); err != nil {
		t.Error(err)
	}
	_, err := WarmUp(t.Context(), dir, new(fake), WarmUpOptions{CheckMethodName: true})
	if err == nil || !strings.Contains(err.Error(), "method_name") {
		t.Errorf("got %v", err)
	}
}

func TestWarmUpCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	servable := &fake{fail: func(run int) error {
		if run == 2 {
			cancel()
		}
		return nil
	}}
	good := predictLog("", inputX(1))
	n, err := WarmUp(ctx, warmUpDir(t, frame(t, good, good)), servable, WarmUpOptions{Iterations: 5})
	if n != 0 || status.Code(err) != codes.Canceled || len(servable.runs) != 2 {
		t.Errorf("%d records, %v, %d runs", n, err, len(servable.runs))
	}
}
