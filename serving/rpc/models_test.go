package rpc

import (
	"context"
	"errors"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"shoal/serving"
	"shoal/serving/rpc/rpctest"
	"shoal/serving/servingtest"
)

func TestMetadata(t *testing.T) {
	c := newCore()
	conn := start(t, Options{Core: c})
	resp := new(apis_go_proto.GetModelMetadataResponse)
	req := &apis_go_proto.GetModelMetadataRequest{ModelSpec: &apis_go_proto.ModelSpec{Name: "half_plus_two"}, MetadataField: []string{"signature_def"}}
	if err := rpctest.Call(t.Context(), conn, "GetModelMetadata", req, resp); err != nil {
		t.Fatal(err)
	}
	var sigs apis_go_proto.SignatureDefMap
	if err := resp.Metadata["signature_def"].UnmarshalTo(&sigs); err != nil {
		t.Fatal(err)
	}
	if want := c.Loaded["half_plus_two"][2].Metadata; !proto.Equal(&sigs, want) {
		t.Errorf("got %v, want %v", &sigs, want)
	}
	if s := resp.ModelSpec; s.Name != "half_plus_two" || s.GetVersion().GetValue() != 2 || s.SignatureName != "" {
		t.Errorf("model spec %v", s)
	}
	err := rpctest.Call(t.Context(), conn, "GetModelMetadata", &apis_go_proto.GetModelMetadataRequest{}, resp)
	servingtest.WantStatus(t, err, codes.InvalidArgument, "Missing ModelSpec")
	req.ModelSpec.Name = ""
	err = rpctest.Call(t.Context(), conn, "GetModelMetadata", req, resp)
	servingtest.WantStatus(t, err, codes.InvalidArgument, "ModelSpec has no name specified.")
}

func TestStatus(t *testing.T) {
	c := newCore()
	c.Statuses = append(c.Statuses, serving.ModelStatus{Name: "m", Versions: []serving.VersionStatus{
		{Version: 3, State: serving.Loading},
		{Version: 2, State: serving.Available},
		{Version: 1, State: serving.End, Err: status.Error(codes.DataLoss, "bad file")},
	}})
	conn := start(t, Options{Core: c})
	ask := func(spec *apis_go_proto.ModelSpec) (*apis_go_proto.GetModelStatusResponse, error) {
		resp := new(apis_go_proto.GetModelStatusResponse)
		return resp, rpctest.Call(t.Context(), conn, "GetModelStatus", &apis_go_proto.GetModelStatusRequest{ModelSpec: spec}, resp)
	}
	for _, spec := range []*apis_go_proto.ModelSpec{
		{Name: "m"},
		{Name: "m", VersionChoice: &apis_go_proto.ModelSpec_VersionLabel{VersionLabel: "any"}},
	} {
		resp, err := ask(spec)
		if err != nil || len(resp.ModelVersionStatus) != 3 {
			t.Fatalf("got %v, %v", resp, err)
		}
		if v := resp.ModelVersionStatus[0]; v.Version != 3 || v.State != apis_go_proto.ModelVersionStatus_LOADING || v.Status == nil || v.Status.ErrorCode != 0 {
			t.Errorf("got %v", v)
		}
		if v := resp.ModelVersionStatus[2]; v.State != apis_go_proto.ModelVersionStatus_END || codes.Code(v.Status.ErrorCode) != codes.DataLoss || v.Status.ErrorMessage != "bad file" {
			t.Errorf("got %v", v)
		}
	}
	resp, err := ask(&apis_go_proto.ModelSpec{Name: "m", VersionChoice: &apis_go_proto.ModelSpec_Version{Version: wrapperspb.Int64(1)}})
	if err != nil || len(resp.ModelVersionStatus) != 1 || resp.ModelVersionStatus[0].Version != 1 {
		t.Errorf("got %v, %v", resp, err)
	}
	_, err = ask(&apis_go_proto.ModelSpec{Name: "nope"})
	servingtest.WantStatus(t, err, codes.NotFound, "Could not find any versions of model nope")
}

func TestReload(t *testing.T) {
	config := &config_go_proto.ModelServerConfig{Config: &config_go_proto.ModelServerConfig_ModelConfigList{
		ModelConfigList: &config_go_proto.ModelConfigList{Config: []*config_go_proto.ModelConfig{{Name: "m", BasePath: "/m"}}}}}
	var got *config_go_proto.ModelServerConfig
	var answer error
	counter := int64(5)
	opts := Options{Core: newCore(), Counter: func(string) int64 { return counter }, Reload: func(_ context.Context, c *config_go_proto.ModelServerConfig) error {
		got = c
		counter += 2
		return answer
	}}
	conn := start(t, opts)
	reload := func(req *apis_go_proto.ReloadConfigRequest) (*apis_go_proto.ReloadConfigResponse, error) {
		resp := new(apis_go_proto.ReloadConfigResponse)
		return resp, rpctest.Call(t.Context(), conn, "HandleReloadConfigRequest", req, resp)
	}
	resp, err := reload(&apis_go_proto.ReloadConfigRequest{Config: config, MetricNames: []string{"a"}})
	if err != nil || !proto.Equal(got, config) {
		t.Errorf("got %v, %v", got, err)
	}
	if resp.Status == nil || resp.Status.ErrorCode != 0 || len(resp.Metric) != 1 || resp.Metric[0].GetInt64ValueIncrease() != 2 {
		t.Errorf("got %v", resp)
	}
	answer = status.Error(codes.FailedPrecondition, "no such version")
	_, err = reload(&apis_go_proto.ReloadConfigRequest{Config: config})
	servingtest.WantStatus(t, err, codes.FailedPrecondition, "no such version")
	answer = errors.New("open /secret: denied")
	_, err = reload(&apis_go_proto.ReloadConfigRequest{Config: config})
	servingtest.WantStatus(t, err, codes.Internal, "internal error: the server's log has the reason")
	for _, other := range []*config_go_proto.ModelServerConfig{nil, {}, {Config: &config_go_proto.ModelServerConfig_CustomModelConfig{}}} {
		_, err = reload(&apis_go_proto.ReloadConfigRequest{Config: other})
		servingtest.WantStatus(t, err, codes.InvalidArgument, "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported")
	}
	conn = start(t, Options{Core: newCore()})
	_, err = reload(&apis_go_proto.ReloadConfigRequest{Config: config})
	servingtest.WantStatus(t, err, codes.Unimplemented, "this server's configuration cannot be changed by a call")
}

func floatExample(name string, v float32) *example_protos_go_proto.Example {
	list := &example_protos_go_proto.FloatList{Value: []float32{v}}
	return &example_protos_go_proto.Example{Features: &example_protos_go_proto.Features{Feature: map[string]*example_protos_go_proto.Feature{
		name: {Kind: &example_protos_go_proto.Feature_FloatList{FloatList: list}}}}}
}

func TestContext(t *testing.T) {
	conn := start(t, Options{Core: newCore()})
	req := &apis_go_proto.RegressionRequest{
		ModelSpec: &apis_go_proto.ModelSpec{Name: "half_plus_two", SignatureName: "regress_x_to_y"},
		Input: &apis_go_proto.Input{Kind: &apis_go_proto.Input_ExampleListWithContext{ExampleListWithContext: &apis_go_proto.ExampleListWithContext{
			Examples: []*example_protos_go_proto.Example{floatExample("z", 1), floatExample("x", 4)}, Context: floatExample("x", 2)}}},
	}
	resp := new(apis_go_proto.RegressionResponse)
	if err := rpctest.Call(t.Context(), conn, "Regress", req, resp); err != nil {
		t.Fatal(err)
	}
	if r := resp.Result.Regressions; len(r) != 2 || r[0].Value != 4 || r[1].Value != 5 {
		t.Errorf("got %v", resp)
	}
	for _, method := range []string{"Classify", "Regress"} {
		err := rpctest.Call(t.Context(), conn, method, &apis_go_proto.RegressionRequest{}, resp)
		servingtest.WantStatus(t, err, codes.InvalidArgument, "Missing ModelSpec")
	}
}

func TestMultiInference(t *testing.T) {
	conn := start(t, Options{Core: newCore()})
	spec := func(sig string) *apis_go_proto.ModelSpec {
		return &apis_go_proto.ModelSpec{Name: "half_plus_two", SignatureName: sig, VersionChoice: &apis_go_proto.ModelSpec_VersionLabel{VersionLabel: "stable"}}
	}
	req := &apis_go_proto.MultiInferenceRequest{
		Tasks: []*apis_go_proto.InferenceTask{
			{ModelSpec: spec("classify_x_to_y"), MethodName: classifyMethod}, {ModelSpec: spec("regress_x_to_y"), MethodName: regressMethod}},
		Input: &apis_go_proto.Input{Kind: &apis_go_proto.Input_ExampleList{ExampleList: &apis_go_proto.ExampleList{
			Examples: []*example_protos_go_proto.Example{floatExample("x", 2)}}}},
	}
	resp := new(apis_go_proto.MultiInferenceResponse)
	if err := rpctest.Call(t.Context(), conn, "MultiInference", req, resp); err != nil {
		t.Fatal(err)
	}
	c, r := resp.Results[0], resp.Results[1]
	if c.GetClassificationResult().Classifications[0].Classes[0].Score != 3 || r.GetRegressionResult().Regressions[0].Value != 3 || r.ModelSpec.GetVersion().GetValue() != 1 {
		t.Errorf("got %v", resp)
	}
	err := rpctest.Call(t.Context(), conn, "MultiInference", &apis_go_proto.MultiInferenceRequest{}, resp)
	servingtest.WantStatus(t, err, codes.InvalidArgument, "ModelSpec has no name specified.")
}
