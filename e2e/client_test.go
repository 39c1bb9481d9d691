package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"shoal/serving/rpc/rpctest"
)

// status is the code that a GET answers, 0 where nothing answers.
func (s *server) status(path string) int {
	resp, err := http.Get(s.url + path)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// do sends a request and returns the answer with its body read.
func (s *server) do(method, path, body string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

// want sends a request and checks the code and, white space apart, the body.
func (s *server) want(method, path, body string, code int, answer string) *http.Response {
	s.t.Helper()
	resp, got := s.do(method, path, body)
	if resp.StatusCode != code || squeeze(got) != squeeze(answer) {
		s.t.Errorf("%s %s %s: %d %s; want %d %s", method, path, body, resp.StatusCode, got, code, answer)
	}
	return resp
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// post sends one predict body and returns the answer's status, body and headers.
func post(url, body string) (int, []byte, http.Header, error) {
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, resp.Header, err
}

// manyConnections lets the default client keep as many idle connections as the tests have clients.
func init() {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 256
}

// send gives the body of an answer.
func (s *server) send(req *http.Request) string {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	if err := resp.Write(&body); err != nil {
		s.t.Fatal(err)
	}
	return body.String()
}

// dial connects to the server's gRPC port.
func (s *server) dial(opts ...grpc.DialOption) *grpc.ClientConn {
	s.t.Helper()
	conn, err := grpc.NewClient(s.grpc, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// predictRequest asks a model that maps x [n] to y [n].
func predictRequest(model string, x ...float32) *apis_go_proto.PredictRequest {
	shape := &tensor_shape_go_proto.TensorShapeProto{Dim: []*tensor_shape_go_proto.TensorShapeProto_Dim{{Size: int64(len(x))}}}
	return &apis_go_proto.PredictRequest{
		ModelSpec: &apis_go_proto.ModelSpec{Name: model},
		Inputs:    map[string]*tensor_go_proto.TensorProto{"x": {Dtype: types_go_proto.DataType_DT_FLOAT, TensorShape: shape, FloatVal: x}},
	}
}

// predictRPC returns the one value of y, and the version that answered.
func predictRPC(ctx context.Context, conn *grpc.ClientConn, model string, x float32) (y float32, version int64, err error) {
	resp := new(apis_go_proto.PredictResponse)
	if err := rpctest.Call(ctx, conn, "Predict", predictRequest(model, x), resp); err != nil {
		return 0, 0, err
	}
	if v := resp.Outputs["y"].GetFloatVal(); len(v) == 1 {
		return v[0], resp.GetModelSpec().GetVersion().GetValue(), nil
	}
	return 0, 0, fmt.Errorf("answer %v", resp)
}

func (s *server) states(model string) map[string]string {
	_, body := s.do("GET", "/v1/models/"+model, "")
	var doc struct {
		Status []struct{ Version, State string } `json:"model_version_status"`
	}
	json.Unmarshal([]byte(body), &doc)
	m := map[string]string{}
	for _, v := range doc.Status {
		m[v.Version] = v.State
	}
	return m
}

// available are the versions of a model that serve.
func (s *server) available(model string) (versions []string) {
	for version, state := range s.states(model) {
		if state == "AVAILABLE" {
			versions = append(versions, version)
		}
	}
	return versions
}

// open says whether somebody listens at the address: all that a TCP probe asks.
func open(network, address string) bool {
	conn, err := net.Dial(network, address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}
