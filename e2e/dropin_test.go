package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"shoal/serving/rpc/rpctest"
)

// grpc.health.v1 and server reflection, as tools of the ecosystem use them.
func TestHealthAndReflection(t *testing.T) {
	s := startModel(t, "half_plus_two")
	conn := s.dial()
	health := grpc_health_v1.NewHealthClient(conn)
	for _, service := range []string{"", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"} {
		resp, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v %v", service, resp, err)
		}
	}
	if resp, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "nope"}); err == nil {
		t.Errorf("an unknown service: %v", resp)
	}

	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(req *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		t.Helper()
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	var services []string
	for _, service := range ask(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}).GetListServicesResponse().GetService() {
		services = append(services, service.GetName())
	}
	for _, service := range []string{"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService", "grpc.health.v1.Health"} {
		if !slices.Contains(services, service) {
			t.Errorf("%s is not among %v", service, services)
		}
		symbol := &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}
		if files := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: symbol}).GetFileDescriptorResponse().GetFileDescriptorProto(); len(files) == 0 {
			t.Errorf("%s is not described", service)
		}
	}
}

// One SavedModel with two meta graphs: the tags choose.
func TestSavedModelTags(t *testing.T) {
	base := "--model_base_path=" + testModels(t) + "/tagged"
	for tags, want := range map[string]string{"serve": "[2.0]", "serve,gpu": "[3.0]", "gpu, serve": "[3.0]"} {
		s := start(t, "--model_name=m", base, "--saved_model_tags="+tags)
		s.want("POST", "/v1/models/m:predict", `{"instances":[1.0]}`, 200, `{"predictions":`+want+`}`)
	}
	s := launch(t, "--model_name=m", base, "--saved_model_tags=train", "--max_num_load_retries=0")
	s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
	s.eventually("the load has failed", func() bool { return s.states("m")["1"] == "END" })
	if _, body := s.do("GET", "/readyz", ""); !strings.Contains(body, "train") || !strings.Contains(body, "saved_model_tags") {
		t.Errorf("readyz does not name the tag and the flag: %s", body)
	}
}

// A signature with a sparse or ragged tensor is not served, and a request is told so.
func TestSparseAndRaggedSignatures(t *testing.T) {
	input := func(info *pb.TensorInfo) *pb.SignatureDef {
		info.Dtype = types_go_proto.DataType_DT_FLOAT
		//lint:ignore SA1019 deprecated, and still what tells classify and regress from predict
		return &pb.SignatureDef{MethodName: "tensorflow/serving/predict", Inputs: map[string]*pb.TensorInfo{"words": info}}
	}
	more := map[string]*pb.SignatureDef{
		"sparse": input(&pb.TensorInfo{Encoding: &pb.TensorInfo_CooSparse_{CooSparse: &pb.TensorInfo_CooSparse{
			ValuesTensorName: "v:0", IndicesTensorName: "i:0", DenseShapeTensorName: "s:0"}}}),
		"ragged": input(&pb.TensorInfo{Encoding: &pb.TensorInfo_CompositeTensor_{CompositeTensor: &pb.TensorInfo_CompositeTensor{
			TypeSpec: &pb.TypeSpecProto{TypeSpecClass: pb.TypeSpecProto_RAGGED_TENSOR_SPEC}}}}),
	}
	base := changed(t, func(model *pb.SavedModel) { maps.Copy(model.MetaGraphs[0].SignatureDef, more) })
	s := start(t, "--model_name=m", "--model_base_path="+base)
	conn := s.dial()
	for _, kind := range []string{"sparse", "ragged"} {
		want := `Serving signature "` + kind + `" cannot be served: its input "words" is a ` + kind + ` tensor; only dense tensors are supported`
		quoted := strings.ReplaceAll(want, `"`, `\"`)
		s.want("POST", "/v1/models/m:predict", `{"signature_name":"`+kind+`","instances":[1.0]}`, 400, `{"error":"`+quoted+`"}`)
		s.want("POST", "/v1/models/m:classify", `{"signature_name":"`+kind+`","examples":[{"words":1.0}]}`, 400, `{"error":"`+quoted+`"}`)
		req := predictRequest("m", 1)
		req.ModelSpec.SignatureName = kind
		err := rpctest.Call(t.Context(), conn, "Predict", req, new(apis_go_proto.PredictResponse))
		if status.Code(err) != codes.FailedPrecondition || status.Convert(err).Message() != want {
			t.Error(err)
		}
	}
	s.want("POST", "/v1/models/m:predict", `{"signature_name":"none","instances":[1.0]}`, 400, `{"error":"Serving signature name: \"none\" not found in signature def"}`)
	s.want("POST", "/v1/models/m:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.5]}`)
}

// A base path that is itself a SavedModel is version 1, for check and inspect too, until it has a numbered directory.
func TestModelWithoutNumberedDirectory(t *testing.T) {
	base := filepath.Join(t.TempDir(), "m")
	if err := os.CopyFS(base, os.DirFS(testModels(t)+"/half_plus_two/1")); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--model_name=m", "--model_base_path=" + base}
	stdout, stderr, code := shoal(t, ".", append([]string{"check"}, flags...)...)
	if code != 0 || !strings.Contains(stdout, "no faults; 1 model(s)") || !strings.Contains(stderr, "served as version 1") {
		t.Errorf("check: exit %d\n%s%s", code, stdout, stderr)
	}
	if stdout, stderr, code := shoal(t, ".", "inspect", base); code != 0 || !strings.Contains(stdout, "/v1/models/m:predict") {
		t.Errorf("inspect: exit %d\n%s%s", code, stdout, stderr)
	}
	s := start(t, flags...)
	s.want("POST", "/v1/models/m/versions/1:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.5]}`)
	if lines := s.log.Lines("served as version 1"); len(lines) != 1 || !strings.Contains(lines[0], "to="+base+"/1") {
		t.Errorf("%q", lines)
	}
	copyVersion(t, testModels(t)+"/half_plus_two/2", base, 2)
	s.eventually("version 2 has taken over", func() bool {
		states := s.states("m")
		return states["2"] == "AVAILABLE" && states["1"] == "END"
	})
	s.want("POST", "/v1/models/m:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
}

// GetModelStatus says why a version could not be loaded.
func TestStatusOfFailedLoad(t *testing.T) {
	s := launch(t, "--model_name=m", "--model_base_path="+testModels(t)+"/bad", "--max_num_load_retries=0")
	s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
	s.eventually("the load has failed", func() bool { return s.states("m")["1"] == "END" })
	conn := s.dial()
	resp := new(apis_go_proto.GetModelStatusResponse)
	req := &apis_go_proto.GetModelStatusRequest{ModelSpec: &apis_go_proto.ModelSpec{Name: "m"}}
	if err := rpctest.Call(t.Context(), conn, "GetModelStatus", req, resp); err != nil {
		t.Fatal(err)
	}
	if v := resp.GetModelVersionStatus(); len(v) != 1 || v[0].GetState() != apis_go_proto.ModelVersionStatus_END || v[0].GetStatus().GetErrorCode() == 0 || v[0].GetStatus().GetErrorMessage() == "" {
		t.Errorf("%v", resp)
	}
	health, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || health.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health: %v %v", health, err)
	}
}

// A PlatformConfigMap with a SavedModelBundle source adapter takes the place of the flags for sessions and batching.
func TestPlatformConfigFile(t *testing.T) {
	file := writeFile(t, t.TempDir(), "platform.config", `platform_configs { key: "tensorflow" value { source_adapter_config {
		[type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig] { legacy_config {
			batching_parameters { max_batch_size { value: 4 } } saved_model_tags: "serve" enable_model_warmup: true } } } } }`)
	s := start(t, "--model_name=m", "--model_base_path="+testModels(t)+"/half_plus_two", "--platform_config_file="+file, "--saved_model_tags=train")
	code, body, _, err := post(s.url+"/v1/models/m:predict", `{"instances":[1.0,1.0,1.0,1.0,1.0]}`)
	if err != nil || code != 400 || !strings.Contains(string(body), "larger than maximum input batch size 4") {
		t.Errorf("%d %s %v", code, body, err)
	}
	s.says("--saved_model_tags has no effect", "--platform_config_file beats it")
}
