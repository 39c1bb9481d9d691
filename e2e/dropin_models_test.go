package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/serving/rpc/rpctest"
)

// withSignatures makes dir/1 a copy of half_plus_two with more signatures.
func withSignatures(t *testing.T, dir string, more map[string]*pb.SignatureDef) {
	t.Helper()
	copyVersion(t, testModels(t)+"/half_plus_two/1", dir, 1)
	file := filepath.Join(dir, "1", "saved_model.pb")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	model := new(pb.SavedModel)
	if err := proto.Unmarshal(raw, model); err != nil {
		t.Fatal(err)
	}
	for name, sig := range more {
		model.MetaGraphs[0].SignatureDef[name] = sig
	}
	if raw, err = proto.Marshal(model); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A signature with a sparse or ragged tensor is not served, and a request is told so.
func TestSparseAndRaggedSignatures(t *testing.T) {
	dir := t.TempDir()
	input := func(info *pb.TensorInfo) *pb.SignatureDef {
		info.Dtype = types_go_proto.DataType_DT_FLOAT
		//lint:ignore SA1019 deprecated, and still what tells classify and regress from predict
		return &pb.SignatureDef{MethodName: "tensorflow/serving/predict", Inputs: map[string]*pb.TensorInfo{"words": info}}
	}
	withSignatures(t, dir, map[string]*pb.SignatureDef{
		"sparse": input(&pb.TensorInfo{Encoding: &pb.TensorInfo_CooSparse_{CooSparse: &pb.TensorInfo_CooSparse{
			ValuesTensorName: "v:0", IndicesTensorName: "i:0", DenseShapeTensorName: "s:0"}}}),
		"ragged": input(&pb.TensorInfo{Encoding: &pb.TensorInfo_CompositeTensor_{CompositeTensor: &pb.TensorInfo_CompositeTensor{
			TypeSpec: &pb.TypeSpecProto{TypeSpecClass: pb.TypeSpecProto_RAGGED_TENSOR_SPEC}}}}),
	})
	s := start(t, "--model_name=m", "--model_base_path="+dir)
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
