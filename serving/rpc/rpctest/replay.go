// Package rpctest holds recorded gRPC answers of TensorFlow Serving against a server: for the tests of the API with fake
// models, and of the whole program with real ones.
package rpctest

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Case is one recorded call.
type Case struct {
	Name     string     `json:"name"`
	Method   string     `json:"method"`   // of PredictionService, or GetModelStatus of ModelService
	Request  string     `json:"request"`  // text proto
	Response string     `json:"response"` // text proto
	Code     codes.Code `json:"code"`
	Details  string     `json:"details"`
}

// Load reads a file with one case a line.
func Load(t testing.TB, path string) []Case {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []Case
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c Case
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%s: line %d: %v", path, len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// Replay makes every call and compares its answer with the recorded one: the code and the answer must be equal, the
// text too, except that texts which come from a kernel or print a SignatureDef need only begin alike.
func Replay(t *testing.T, conn *grpc.ClientConn, cases []Case) {
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			method, req, resp, want := messages(t, c.Method)
			parse(t, c.Request, req)
			parse(t, c.Response, want)
			err := conn.Invoke(t.Context(), method, req, resp)
			if got := status.Convert(err); got.Code() != c.Code || !sameText(got.Message(), c.Details) {
				t.Fatalf("got  %v %q\nwant %v %q", got.Code(), got.Message(), c.Code, c.Details)
			}
			if err == nil && !proto.Equal(canonical(t, resp), canonical(t, want)) {
				t.Errorf("got  %v\nwant %v", resp, want)
			}
		})
	}
}

// Call makes one call by the method's short name.
func Call(ctx context.Context, conn *grpc.ClientConn, method string, req, resp proto.Message, opts ...grpc.CallOption) error {
	return conn.Invoke(ctx, fullName(method), req, resp, opts...)
}

func fullName(method string) string {
	if method == "GetModelStatus" || method == "HandleReloadConfigRequest" {
		return "/tensorflow.serving.ModelService/" + method
	}
	return "/tensorflow.serving.PredictionService/" + method
}

func messages(t *testing.T, method string) (name string, req, resp, want proto.Message) {
	switch method {
	case "Predict":
		req, resp = &apis_go_proto.PredictRequest{}, &apis_go_proto.PredictResponse{}
	case "Classify":
		req, resp = &apis_go_proto.ClassificationRequest{}, &apis_go_proto.ClassificationResponse{}
	case "Regress":
		req, resp = &apis_go_proto.RegressionRequest{}, &apis_go_proto.RegressionResponse{}
	case "MultiInference":
		req, resp = &apis_go_proto.MultiInferenceRequest{}, &apis_go_proto.MultiInferenceResponse{}
	case "GetModelMetadata":
		req, resp = &apis_go_proto.GetModelMetadataRequest{}, &apis_go_proto.GetModelMetadataResponse{}
	case "GetModelStatus":
		req, resp = &apis_go_proto.GetModelStatusRequest{}, &apis_go_proto.GetModelStatusResponse{}
	default:
		t.Fatalf("unknown method %q", method)
	}
	return fullName(method), req, resp, proto.Clone(resp)
}

func parse(t *testing.T, text string, into proto.Message) {
	t.Helper()
	if err := prototext.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// canonical writes what is packed in a metadata answer again, since the order of a map's entries is free.
func canonical(t *testing.T, m proto.Message) proto.Message {
	meta, ok := m.(*apis_go_proto.GetModelMetadataResponse)
	if !ok {
		return m
	}
	for key, packed := range meta.Metadata {
		inner, err := packed.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		again := new(anypb.Any)
		if err := anypb.MarshalFrom(again, inner, proto.MarshalOptions{Deterministic: true}); err != nil {
			t.Fatal(err)
		}
		meta.Metadata[key] = again
	}
	return meta
}

func sameText(got, want string) bool {
	for _, end := range []string{"SignatureDef: ", "Signature was: ", "\n\t [[{{node"} {
		if start, _, ok := strings.Cut(want, end); ok {
			return strings.HasPrefix(got, start)
		}
	}
	return got == want
}
