package oiprpc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"shoal/serving"
	"shoal/serving/access"
	"shoal/serving/oip/inferencepb"
	"shoal/serving/rpc"
	"shoal/serving/servingtest"
)

func TestQuestions(t *testing.T) {
	c := newCore()
	conn, server := startServer(t, c, rpc.Options{}, func(o *Options) {
		o.Statistics = func(model string, version int64) serving.Statistics {
			return serving.Statistics{Rows: 5, Answered: serving.Tally{Count: 3, Time: time.Second}, Sizes: []serving.SizeStatistics{{Rows: 2, Run: serving.Tally{Count: 1, Time: 7}}}}
		}
	})
	if live, err := call[inferencepb.ServerLiveResponse](t, conn, "ServerLive", &inferencepb.ServerLiveRequest{}); err != nil || !live.Live {
		t.Errorf("live: %v, %v", live, err)
	}
	ready := func(want bool) {
		t.Helper()
		if got, err := call[inferencepb.ServerReadyResponse](t, conn, "ServerReady", &inferencepb.ServerReadyRequest{}); err != nil || got.Ready != want {
			t.Errorf("ready: %v, %v", got, err)
		}
	}
	ready(true)
	c.SetReasons("pair: loading")
	ready(false)
	c.SetReasons()
	for name, want := range map[string]bool{"pair": true, "nope": false} {
		if got, err := call[inferencepb.ModelReadyResponse](t, conn, "ModelReady", &inferencepb.ModelReadyRequest{Name: name}); err != nil || got.Ready != want {
			t.Errorf("model %s: %v, %v", name, got, err)
		}
	}
	if m, err := call[inferencepb.ServerMetadataResponse](t, conn, "ServerMetadata", &inferencepb.ServerMetadataRequest{}); err != nil ||
		m.Name != "shoal" || m.Version != "1.2.3" || !slices.Contains(m.Extensions, "statistics") || slices.Contains(m.Extensions, "trace") {
		t.Errorf("server: %v, %v", m, err)
	}
	m, err := call[inferencepb.ModelMetadataResponse](t, conn, "ModelMetadata", &inferencepb.ModelMetadataRequest{Name: "pair", Version: "1"})
	want := &inferencepb.ModelMetadataResponse{
		Name: "pair", Versions: m.Versions, Platform: "tensorflow_savedmodel", Properties: map[string]string{"signatures": "other,serving_default"},
		Inputs:  []*inferencepb.ModelMetadataResponse_TensorMetadata{{Name: "a", Datatype: "FP32", Shape: []int64{-1, 2}}, {Name: "b", Datatype: "FP32", Shape: []int64{-1, 2}}},
		Outputs: []*inferencepb.ModelMetadataResponse_TensorMetadata{{Name: "p", Datatype: "FP32", Shape: []int64{-1, 2}}, {Name: "q", Datatype: "FP32", Shape: []int64{-1, 2}}},
	}
	if err != nil || !proto.Equal(m, want) || len(m.Versions) != 2 {
		t.Errorf("model: %v, %v", m, err)
	}
	config, err := call[inferencepb.ModelConfigResponse](t, conn, "ModelConfig", &inferencepb.ModelConfigRequest{Name: "pair"})
	if err != nil || config.Config.MaxBatchSize != 0 || !config.Config.Input[1].Optional || config.Config.Input[0].DataType != inferencepb.DataType_TYPE_FP32 ||
		config.Config.VersionPolicy.GetLatest().GetNumVersions() != 1 {
		t.Errorf("configuration: %v, %v", config, err)
	}
	stats, err := call[inferencepb.ModelStatisticsResponse](t, conn, "ModelStatistics", &inferencepb.ModelStatisticsRequest{Name: "pair", Version: "2"})
	if err != nil || len(stats.ModelStats) != 1 || stats.ModelStats[0].InferenceCount != 5 || stats.ModelStats[0].InferenceStats.Success.Ns != 1e9 ||
		stats.ModelStats[0].BatchStats[0].ComputeInfer.Ns != 7 {
		t.Errorf("statistics: %v, %v", stats, err)
	}
	index, err := call[inferencepb.RepositoryIndexResponse](t, conn, "RepositoryIndex", &inferencepb.RepositoryIndexRequest{Ready: true})
	if err != nil || len(index.Models) != len(dtypes)+2 || index.Models[0].State != "READY" {
		t.Errorf("index: %v, %v", index, err)
	}
	server.Drain()
	ready(false)
}

// TestRefused: what is not there says so.
func TestRefused(t *testing.T) {
	conn := start(t, newCore(), rpc.Options{})
	for name, req := range map[string]proto.Message{
		"RepositoryModelLoad": &inferencepb.RepositoryModelLoadRequest{ModelName: "pair"}, "RepositoryModelUnload": &inferencepb.RepositoryModelUnloadRequest{ModelName: "pair"},
	} {
		err := conn.Invoke(t.Context(), "/"+ServiceName+"/"+name, req, new(inferencepb.RepositoryModelLoadResponse))
		servingtest.WantStatus(t, err, codes.Unavailable, "explicit model load / unload is not allowed if polling is enabled")
	}
	for _, name := range []string{"SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister",
		"CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"} {
		err := conn.Invoke(t.Context(), "/"+ServiceName+"/"+name, &inferencepb.SystemSharedMemoryStatusRequest{}, new(inferencepb.SystemSharedMemoryStatusResponse))
		servingtest.WantStatus(t, err, codes.Unimplemented, "shared memory is not supported: send tensors in the request")
	}
	_, err := call[inferencepb.RepositoryIndexResponse](t, conn, "RepositoryIndex", &inferencepb.RepositoryIndexRequest{RepositoryName: "r"})
	servingtest.WantStatus(t, err, codes.InvalidArgument, "there is no repository 'r': leave the name out")
	_, err = call[inferencepb.TraceSettingResponse](t, conn, "TraceSetting", &inferencepb.TraceSettingRequest{Settings: map[string]*inferencepb.TraceSettingRequest_SettingValue{"trace_rate": {}}})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("a change of traces: %v", err)
	}
	if got, err := call[inferencepb.TraceSettingResponse](t, conn, "TraceSetting", &inferencepb.TraceSettingRequest{}); err != nil || got.Settings["trace_level"].Value[0] != "OFF" {
		t.Errorf("traces: %v, %v", got, err)
	}
}

// shelf is a repository that notes what it is asked for.
type shelf struct{ done []string }

func (s *shelf) Load(_ context.Context, model string) error {
	s.done = append(s.done, "load "+model)
	if model != "m" {
		return status.Error(codes.NotFound, "nowhere")
	}
	return nil
}

func (s *shelf) Unload(_ context.Context, model string) error {
	s.done = append(s.done, "unload "+model)
	return nil
}

func (s *shelf) Found() []string { return []string{"m", "pair"} }

// KServe's messages have the model's name where Triton's have the repository's.
func TestRepository(t *testing.T) {
	there := new(shelf)
	conn := start(t, newCore(), rpc.Options{}, func(o *Options) { o.Repository = there })
	for _, req := range []*inferencepb.RepositoryModelLoadRequest{{ModelName: "m"}, {RepositoryName: "m"}} {
		if _, err := call[inferencepb.RepositoryModelLoadResponse](t, conn, "RepositoryModelLoad", req); err != nil {
			t.Error(err)
		}
	}
	if _, err := call[inferencepb.RepositoryModelUnloadResponse](t, conn, "RepositoryModelUnload", &inferencepb.RepositoryModelUnloadRequest{ModelName: "m"}); err != nil {
		t.Error(err)
	}
	if want := []string{"load m", "load m", "unload m"}; !slices.Equal(there.done, want) {
		t.Errorf("%q, want %q", there.done, want)
	}
	_, err := call[inferencepb.RepositoryModelLoadResponse](t, conn, "RepositoryModelLoad", &inferencepb.RepositoryModelLoadRequest{ModelName: "x"})
	servingtest.WantStatus(t, err, codes.InvalidArgument, "failed to load 'x', nowhere")
	_, err = call[inferencepb.RepositoryModelLoadResponse](t, conn, "RepositoryModelLoad", &inferencepb.RepositoryModelLoadRequest{ModelName: "m",
		Parameters: map[string]*inferencepb.ModelRepositoryParameter{"config": {}}})
	servingtest.WantStatus(t, err, codes.Unimplemented, "failed to load 'm', the parameters config and file: are not supported: models are loaded as they are in --model_repository")
	index, err := call[inferencepb.RepositoryIndexResponse](t, conn, "RepositoryIndex", &inferencepb.RepositoryIndexRequest{})
	if err != nil || !slices.ContainsFunc(index.Models, func(m *inferencepb.RepositoryIndexResponse_ModelIndex) bool { return m.Name == "m" && m.State == "" }) {
		t.Errorf("%v %v", index, err)
	}
}

func TestLogSettings(t *testing.T) {
	level := new(slog.LevelVar)
	conn := start(t, newCore(), rpc.Options{}, func(o *Options) { o.Log = level })
	set := func(settings map[string]*inferencepb.LogSettingsRequest_SettingValue) (*inferencepb.LogSettingsResponse, error) {
		return call[inferencepb.LogSettingsResponse](t, conn, "LogSettings", &inferencepb.LogSettingsRequest{Settings: settings})
	}
	flag := func(b bool) *inferencepb.LogSettingsRequest_SettingValue {
		return &inferencepb.LogSettingsRequest_SettingValue{ParameterChoice: &inferencepb.LogSettingsRequest_SettingValue_BoolParam{BoolParam: b}}
	}
	got, err := set(nil)
	if err != nil || !got.Settings["log_info"].GetBoolParam() || got.Settings["log_verbose_level"].GetUint32Param() != 0 || len(got.Settings) != 6 {
		t.Errorf("as it was: %v, %v", got, err)
	}
	for _, step := range []struct {
		set  map[string]*inferencepb.LogSettingsRequest_SettingValue
		want slog.Level
	}{
		{map[string]*inferencepb.LogSettingsRequest_SettingValue{"log_info": flag(false)}, slog.LevelWarn},
		{map[string]*inferencepb.LogSettingsRequest_SettingValue{"log_warning": flag(false)}, slog.LevelError},
		{map[string]*inferencepb.LogSettingsRequest_SettingValue{"log_error": flag(false)}, slog.LevelError + 4},
		{map[string]*inferencepb.LogSettingsRequest_SettingValue{
			"log_verbose_level": {ParameterChoice: &inferencepb.LogSettingsRequest_SettingValue_Uint32Param{Uint32Param: 3}},
		}, slog.LevelDebug},
	} {
		if _, err := set(step.set); err != nil || level.Level() != step.want {
			t.Errorf("%v: level %v, %v; want %v", step.set, level.Level(), err, step.want)
		}
	}
	if _, err := set(map[string]*inferencepb.LogSettingsRequest_SettingValue{"log_error": flag(true), "nope": flag(true)}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an unknown setting: %v", err)
	}
}

// TestAccess: health needs no key, inference one for prediction, and administration is refused where it is not.
func TestAccess(t *testing.T) {
	const predict, admin = "predict-key-0123456789", "admin-key-0123456789"
	keys, err := access.NewKeys([]byte("predict " + predict + "\nadmin " + admin))
	if err != nil {
		t.Fatal(err)
	}
	conn := start(t, newCore(), rpc.Options{Keys: keys})
	elsewhere := start(t, newCore(), rpc.Options{AdminRefused: "it is elsewhere"})
	ask := func(conn *grpc.ClientConn, method, key string) codes.Code {
		ctx := t.Context()
		if key != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
		}
		return status.Code(conn.Invoke(ctx, "/"+ServiceName+"/"+method, &inferencepb.ServerLiveRequest{}, new(inferencepb.ServerLiveResponse)))
	}
	const none, wrong = codes.Unauthenticated, codes.PermissionDenied
	for _, tt := range []struct {
		method                     string
		without, predicting, admin codes.Code
		elsewhere                  codes.Code
	}{
		{"ServerLive", codes.OK, codes.OK, codes.OK, codes.OK},
		{"ServerReady", codes.OK, codes.OK, codes.OK, codes.OK},
		{"ModelReady", none, codes.OK, codes.OK, codes.OK},
		{"ServerMetadata", none, codes.OK, codes.OK, codes.OK},
		{"ModelInfer", none, codes.NotFound, codes.NotFound, codes.NotFound},
		{"ModelStatistics", none, codes.OK, codes.OK, codes.OK},
		{"RepositoryIndex", none, wrong, codes.OK, wrong},
		{"RepositoryModelLoad", none, wrong, codes.Unavailable, wrong},
		{"RepositoryModelUnload", none, wrong, codes.Unavailable, wrong},
		{"TraceSetting", none, wrong, codes.OK, wrong},
		{"LogSettings", none, wrong, codes.OK, wrong},
	} {
		for key, want := range map[string]codes.Code{"": tt.without, predict: tt.predicting, admin: tt.admin} {
			if got := ask(conn, tt.method, key); got != want {
				t.Errorf("%s with key %q: %v, want %v", tt.method, key, got, want)
			}
		}
		if got := ask(elsewhere, tt.method, ""); got != tt.elsewhere {
			t.Errorf("%s where administration is not: %v, want %v", tt.method, got, tt.elsewhere)
		}
	}
}

// TestReflection: the service is listed, and its file has its calls.
func TestReflection(t *testing.T) {
	conn := start(t, newCore(), rpc.Options{})
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: ServiceName},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	file := new(descriptorpb.FileDescriptorProto)
	if err := proto.Unmarshal(resp.GetFileDescriptorResponse().GetFileDescriptorProto()[0], file); err != nil {
		t.Fatal(err)
	}
	if got := len(file.Service[0].Method); got != 20 {
		t.Errorf("%d calls", got)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Error(err)
	}
}

// openStream opens a ModelStreamInfer.
func openStream(t *testing.T, conn *grpc.ClientConn, md ...string) grpc.ClientStream {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), md...)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/"+ServiceName+"/ModelStreamInfer")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// TestStream: answers come in the order of the requests, and an error ends nothing.
func TestStream(t *testing.T) {
	conn := start(t, newCore(), rpc.Options{})
	stream := openStream(t, conn)
	const n = 200
	go func() {
		for i := range n {
			req := &inferencepb.ModelInferRequest{ModelName: "pair", Id: strconv.Itoa(i), Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{floats("a")}}
			if i%10 == 3 {
				req.ModelName = "nope"
			}
			if i == 4 {
				req.Parameters = map[string]*inferencepb.InferParameter{
					"triton_enable_empty_final_response": {ParameterChoice: &inferencepb.InferParameter_BoolParam{BoolParam: true}},
				}
			}
			if stream.SendMsg(req) != nil {
				return
			}
		}
		stream.CloseSend()
	}()
	for i := range n {
		got := new(inferencepb.ModelStreamInferResponse)
		if err := stream.RecvMsg(got); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if got.InferResponse.Id != strconv.Itoa(i) {
			t.Fatalf("answer %d is to %s", i, got.InferResponse.Id)
		}
		if failed := got.ErrorMessage != ""; failed != (i%10 == 3) || !failed && len(got.InferResponse.Outputs) != 2 {
			t.Errorf("answer %d: %v", i, got)
		}
		if marked := got.InferResponse.Parameters["triton_final_response"].GetBoolParam(); marked != (i == 4) {
			t.Errorf("answer %d: %v", i, got)
		}
	}
	if err := stream.RecvMsg(new(inferencepb.ModelStreamInferResponse)); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}

// TestStreamStatus: a client that wishes so gets the status of an error, and the stream ends.
func TestStreamStatus(t *testing.T) {
	conn := start(t, newCore(), rpc.Options{})
	stream := openStream(t, conn, "triton_grpc_error", "true")
	if err := stream.SendMsg(&inferencepb.ModelInferRequest{ModelName: "nope"}); err != nil {
		t.Fatal(err)
	}
	err := stream.RecvMsg(new(inferencepb.ModelStreamInferResponse))
	servingtest.WantStatus(t, err, codes.NotFound, "Request for unknown model: 'nope' is not found")
}

// TestStreamEnds: a stream that its client leaves open does not hold up a shutdown, and what was sent before it is answered.
func TestStreamEnds(t *testing.T) {
	conn, server := startServer(t, newCore(), rpc.Options{})
	stream := openStream(t, conn)
	if err := stream.SendMsg(&inferencepb.ModelInferRequest{ModelName: "pair", Inputs: []*inferencepb.ModelInferRequest_InferInputTensor{floats("a")}}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(t.Context()) }()
	if err := stream.RecvMsg(new(inferencepb.ModelStreamInferResponse)); err != nil {
		t.Errorf("the answer: %v", err)
	}
	err := stream.RecvMsg(new(inferencepb.ModelStreamInferResponse))
	servingtest.WantStatus(t, err, codes.Unavailable, "the server is shutting down")
	if err := <-done; err != nil {
		t.Error(err)
	}
}
