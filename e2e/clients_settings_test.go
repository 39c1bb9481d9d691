package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/servables/tensorflow_go_proto"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"

	"shoal/serving/rpc/rpctest"
)

// grpc.health.v1 and server reflection, as tools of the ecosystem use them.
func TestHealthAndReflection(t *testing.T) {
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
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

// The ops of tensorflow-text, in a model that no server can load without them.
func TestCustomOps(t *testing.T) {
	libraries := func(names ...string) string {
		for i, name := range names {
			path := inRepository(t, ".cache", "python", "tensorflow_text", "python", "ops", name)
			if _, err := os.Stat(path); err != nil {
				t.Skipf("tensorflow-text is not there (make test-deps fetches it): %v", err)
			}
			names[i] = path
		}
		return "--custom_op_libraries=" + strings.Join(names, ",")
	}
	both := libraries("_whitespace_tokenizer_v2.so", "_normalize_ops.so")
	base := "--model_base_path=" + testModels(t) + "/words"
	s := start(t, "--model_name=words", base, both)
	s.want("POST", "/v1/models/words:predict", `{"instances":["Große  Fische SCHWIMMEN",""]}`, 200,
		`{"predictions":[{"count":3,"joined":"grosse|fische|schwimmen"},{"count":0,"joined":""}]}`)

	packages := inRepository(t, ".cache", "python")
	s = start(t, "--model_name=words", base, "--custom_op_search_path="+packages)
	s.want("POST", "/v1/models/words:predict", `{"instances":["Große"]}`, 200, `{"predictions":[{"count":1,"joined":"grosse"}]}`)
	if !s.logged("ops loaded for a model that needs them", "package=tensorflow-text", "from="+packages) {
		t.Error("the log does not tell where the ops come from")
	}

	const missing = "; the op CaseFoldUTF8 is not one of TensorFlow's own; the Python package tensorflow-text has it: load its library with --custom_op_libraries"
	for path, why := range map[string]string{"none": "", "/no/such/dir": " (tensorflow-text is installed in none of the directories of --custom_op_search_path: /no/such/dir)"} {
		s = launch(t, "--model_name=words", base, "--max_num_load_retries=0", "--custom_op_search_path="+path)
		s.eventually("the load has failed", func() bool { return s.status("/healthz") == 200 && s.states("words")["1"] == "END" })
		if _, body := s.do("GET", "/v1/models/words", ""); !strings.Contains(body, "Op type not registered 'CaseFoldUTF8'") || !strings.Contains(body, missing+why) {
			t.Errorf("without the libraries: %s", body)
		}
	}

	for library, reason := range map[string]string{
		writeFile(t, t.TempDir(), "ops.so", "no library"): "ops.so", "/no/such.so": "/no/such.so"} {
		s = launch(t, "--model_name=words", base, "--custom_op_libraries="+library)
		<-s.done
		if log := s.log.String(); s.cmd.ProcessState.ExitCode() <= 0 || !strings.Contains(log, reason) || !strings.Contains(log, "--custom_op_libraries") || strings.Contains(log, "rpc error") {
			t.Errorf("exit %d\n%s", s.cmd.ProcessState.ExitCode(), log)
		}
	}
}

// copyModel copies version 1 of half_plus_two to dir/name/1, with one more file in it.
func copyModel(t testing.TB, dir, name, file string, content []byte) {
	t.Helper()
	base := filepath.Join(dir, name)
	if err := os.Mkdir(base, 0o755); err != nil {
		t.Fatal(err)
	}
	copyVersion(t, testModels(t)+"/half_plus_two/1", base, 1)
	if file == "" {
		return
	}
	to := filepath.Join(base, "1", file)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Settings that lie in a version's directory hold for that version alone; broken ones fail its load and say why.
func TestPerModelSettings(t *testing.T) {
	overrides, err := proto.Marshal(&tensorflow_go_proto.SavedModelConfig{SessionOverrides: &tensorflow_go_proto.SessionOverrides{DisableMetaOptimizer: proto.Bool(true)}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyModel(t, dir, "small", "batching_params.pbtxt", []byte(`max_batch_size { value: 4 } allowed_batch_sizes: [2, 4]`))
	copyModel(t, dir, "large", "batching_params.pbtxt", []byte(`max_batch_size { value: 64 }`))
	copyModel(t, dir, "none", "", nil)
	copyModel(t, dir, "broken", "batching_params.pbtxt", []byte(`max_batch_size { value: 4 } allowed_batch_sizes: [2, 3]`))
	copyModel(t, dir, "overrides", "assets.extra/saved_model_config.pb", overrides)
	copyModel(t, dir, "nonsense", "assets.extra/saved_model_config.pb", bytes.Repeat([]byte{0xff}, 20))
	config := configOf(t, dir, "small", "large", "none", "broken", "overrides", "nonsense")
	five, answer := `{"instances":[1.0,1.0,1.0,1.0,1.0]}`, `{"predictions":[2.5,2.5,2.5,2.5,2.5]}`

	s := launch(t, "--model_config_file="+config, "--enable_batching", "--enable_per_model_batching_parameters", "--max_num_load_retries=0")
	s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
	for _, model := range []string{"small", "large", "none", "overrides"} {
		s.eventually(model+" is available", func() bool { return s.states(model)["1"] == "AVAILABLE" })
	}
	code, body, _, err := post(s.url+"/v1/models/small:predict", five)
	if err != nil || code != 400 || !strings.Contains(string(body), "Task size 5 is larger than maximum input batch size 4") {
		t.Errorf("%d %s %v", code, body, err)
	}
	for _, model := range []string{"large", "none", "overrides"} {
		s.want("POST", "/v1/models/"+model+":predict", five, 200, answer)
	}
	s.says("requests of the signature run alone", "model=none")
	if s.logged("requests of the signature run alone", "model=large") {
		t.Error("a model with parameters of its own is not batched")
	}
	for model, reason := range map[string]string{"broken": "Last entry in allowed_batch_sizes must match max_batch_size", "nonsense": "saved_model_config.pb"} {
		s.eventually("the load of "+model+" has failed", func() bool { return s.states(model)["1"] == "END" })
		if _, body := s.do("GET", "/v1/models/"+model, ""); !strings.Contains(body, reason) {
			t.Errorf("%s: %s", model, body)
		}
	}
	if _, body := s.do("GET", "/v1/models/broken", ""); !strings.Contains(body, "batching_params.pbtxt") {
		t.Errorf("the file is not named: %s", body)
	}

	t.Run("without the flag the files are not read", func(t *testing.T) {
		s := start(t, "--model_config_file="+configOf(t, dir, "small", "broken"))
		for _, model := range []string{"small", "broken"} {
			s.want("POST", "/v1/models/"+model+":predict", five, 200, answer)
		}
	})
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
