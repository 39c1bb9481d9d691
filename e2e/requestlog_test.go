package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"

	"shoal/serving/rpc/rpctest"
)

// Requests by both APIs are logged, Python reads the log, and the log warms a model up.
func TestRequestLog(t *testing.T) {
	dir := t.TempDir()
	config := writeFile(t, dir, "models.config", fmt.Sprintf(`model_config_list {
		config { name: "half_plus_two" base_path: "%[1]s/half_plus_two" model_platform: "tensorflow"
			logging_config { log_collector_config { filename_prefix: "%[2]s/requests" } sampling_config { sampling_rate: 1 } } }
		config { name: "estimator" base_path: "%[1]s/estimator" model_platform: "tensorflow" } }`, testModels(t), dir))
	monitoring := writeFile(t, dir, "monitoring.config", `prometheus_config { enable: true path: "/metrics/tf" }`)
	s := start(t, "--model_config_file="+config, "--monitoring_config_file="+monitoring)
	s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0,2.0]}`, 200, `{"predictions":[3.5,4.0]}`)
	s.want("POST", "/v1/models/half_plus_two:classify", `{"signature_name":"classify_x_to_y","examples":[{"x":1.0}]}`, 200, `{"results":[[["",3.5]]]}`)
	s.want("POST", "/v1/models/half_plus_two:regress", `{"signature_name":"regress_x_to_y","examples":[{"x":2.0}]}`, 200, `{"results":[4.0]}`)
	s.want("POST", "/v1/models/estimator:regress", `{"signature_name":"regression","examples":[{"x":1.0}]}`, 200, `{"results":[3.0]}`)
	if code, _, _, err := post(s.url+"/v1/models/half_plus_two:predict", `{"instances":["x"]}`); err != nil || code != 400 {
		t.Error(code, err)
	}
	conn := s.dial()
	if y, _, err := predictRPC(t.Context(), conn, "half_plus_two", 7); err != nil || y != 6.5 {
		t.Error(y, err)
	}
	regress := new(apis_go_proto.RegressionRequest)
	if err := prototext.Unmarshal([]byte(`model_spec { name: "half_plus_two" signature_name: "regress_x_to_y" }
		input { example_list { examples { features { feature { key: "x" value { float_list { value: 8 } } } } } } }`), regress); err != nil {
		t.Fatal(err)
	}
	if err := rpctest.Call(t.Context(), conn, "Regress", regress, new(apis_go_proto.RegressionResponse)); err != nil {
		t.Error(err)
	}
	if n := sum(s.page("/metrics/tf")[":tensorflow:serving:request_log_count"], map[string]string{"model_name": "half_plus_two", "status": "OK"}); n != 5 {
		t.Errorf("request_log_count is %v", n)
	}
	if code := s.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}

	files, err := filepath.Glob(dir + "/requests*")
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	got := map[string]int{}
	for line := range strings.Lines(python(t, "read_log.py", files...)) {
		log := new(apis_go_proto.PredictionLog)
		if err := protojson.Unmarshal([]byte(line), log); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		got[summary(log)]++
		if spec := log.GetLogMetadata().GetModelSpec(); spec.GetName() != "half_plus_two" || spec.GetVersion().GetValue() != 2 || log.GetLogMetadata().GetTimestampSecs() == 0 {
			t.Errorf("metadata %v", log.GetLogMetadata())
		}
	}
	for _, want := range []string{"predict 2 rows -> 2 rows", "predict 1 rows -> 1 rows", "classify 1 -> 3.5", "regress 2 -> 4", "regress 8 -> 7"} {
		if got[want] != 1 {
			t.Errorf("%s: logged %d times", want, got[want])
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("logged besides: %v", got)
	}

	withWarmUp(t, dir, "warm", files[0])
	s = start(t, "--model_name=warm", "--model_base_path="+filepath.Join(dir, "warm"))
	s.says("warm-up requests run", "requests=5")
}

// summary says what was asked and answered.
func summary(log *apis_go_proto.PredictionLog) string {
	x := func(in *apis_go_proto.Input) float32 {
		examples := in.GetExampleList().GetExamples()
		if len(examples) != 1 {
			return -1
		}
		return examples[0].GetFeatures().GetFeature()["x"].GetKind().(*example_protos_go_proto.Feature_FloatList).FloatList.GetValue()[0]
	}
	switch l := log.GetLogType().(type) {
	case *apis_go_proto.PredictionLog_PredictLog:
		in, out := l.PredictLog.GetRequest().GetInputs()["x"], l.PredictLog.GetResponse().GetOutputs()["y"]
		return fmt.Sprintf("predict %d rows -> %d rows", in.GetTensorShape().GetDim()[0].GetSize(), out.GetTensorShape().GetDim()[0].GetSize())
	case *apis_go_proto.PredictionLog_ClassifyLog:
		r := l.ClassifyLog.GetResponse().GetResult().GetClassifications()
		return fmt.Sprintf("classify %v -> %v", x(l.ClassifyLog.GetRequest().GetInput()), r[0].GetClasses()[0].GetScore())
	case *apis_go_proto.PredictionLog_RegressLog:
		r := l.RegressLog.GetResponse().GetResult().GetRegressions()
		return fmt.Sprintf("regress %v -> %v", x(l.RegressLog.GetRequest().GetInput()), r[0].GetValue())
	}
	return fmt.Sprintf("%T", log.GetLogType())
}
