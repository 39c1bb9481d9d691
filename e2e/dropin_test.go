package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/rpc/rpctest"
)

// A configuration file that is empty for a moment, as when it is written in place, takes no model away. One that says so does.
func TestEmptiedConfigFile(t *testing.T) {
	dir := t.TempDir()
	full := fmt.Sprintf(`model_config_list { config { name: "m" base_path: "%s/half_plus_two" model_platform: "tensorflow" } }`, testModels(t))
	file := writeFile(t, dir, "models.config", full)
	s := start(t, "--model_config_file="+file, "--model_config_file_poll_wait_seconds=1")
	for _, text := range []string{"", " \n# model_config_list { }\n"} {
		before := len(s.log.Lines("configuration file not applied"))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s.eventually("it is refused", func() bool { return len(s.log.Lines("configuration file not applied")) > before })
		s.want("POST", "/v1/models/m:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	}
	if !s.logged("is empty or holds only comments; to serve no model, write model_config_list {}") || s.status("/readyz") != 200 {
		t.Errorf("readyz %d", s.status("/readyz"))
	}
	writeFile(t, dir, "models.config", full)
	s.eventually("the file is as it was", func() bool { return s.logged("configuration file is as it was") })
	writeFile(t, dir, "models.config", "model_config_list {}")
	s.eventually("the model is gone", func() bool { return s.status("/v1/models/m/metadata") == 404 })
}

// A server may start with a configuration that names no model, as there, and gets its models later.
func TestEmptyConfigFileAtStart(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, dir, "models.config", "# none yet\n")
	s := launch(t, "--model_config_file="+file, "--model_config_file_poll_wait_seconds=1")
	s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
	if s.logged("configuration file not applied") {
		t.Error("an empty file at the start is no error")
	}
	writeFile(t, dir, "models.config", fmt.Sprintf(`model_config_list { config { name: "m" base_path: "%s/half_plus_two" } }`, testModels(t)))
	s.eventually("the model answers", func() bool { return s.status("/v1/models/m/metadata") == 200 })
}

// Content-Encoding is read in any case; what it cannot be, or is not, is said. A colon may be percent-encoded.
func TestEncodedRequests(t *testing.T) {
	s := start(t, "--model_name=m", "--model_base_path="+testModels(t)+"/half_plus_two")
	const body = `{"instances":[1.0]}`
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(body))
	z.Close()
	for _, c := range []struct{ encoding, body, want string }{
		{"GZIP", zipped.String(), `200 {"predictions":[3.5]}`},
		{"identity", body, `200 {"predictions":[3.5]}`},
		{"br", body, `415 {"error":"Content-Encoding\"br\"isnotsupported:sendthebodyasgziporasitis"}`},
		{"gzip", body, `400 {"error":"TherequestbodyisnotwhatitsContent-Encodingsays:gzip:invalidheader"}`},
	} {
		req, err := http.NewRequest("POST", s.url+"/v1/models/m/versions/2%3Apredict", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", c.encoding)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := fmt.Sprint(resp.StatusCode, " ", squeeze(string(answer))); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.encoding, got, err, c.want)
		}
	}
}

// A gRPC message may be larger than a REST body, unless a flag says otherwise; the error names the flag.
func TestLargeMessages(t *testing.T) {
	model := []string{"--model_name=m", "--model_base_path=" + testModels(t) + "/half_plus_two"}
	x := make([]float32, 26<<20) // 104 MiB
	for i := range x {
		x[i] = float32(i)
	}
	send := func(s *server, x []float32) error {
		resp := new(apis_go_proto.PredictResponse)
		conn := s.dial(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)))
		err := rpctest.Call(t.Context(), conn, "Predict", predictRequest("m", x...), resp)
		if y := resp.GetOutputs()["y"].GetFloatVal(); err == nil && (len(y) != len(x) || y[len(x)-1] != x[len(x)-1]/2+3) {
			t.Errorf("%d values", len(y))
		}
		return err
	}
	s := start(t, model...)
	if err := send(s, x); err != nil {
		t.Error(err)
	}
	s.stop()
	s = start(t, append(model, "--max_request_bytes=1000000")...)
	if err := send(s, x[:240_000]); err != nil {
		t.Error(err)
	}
	if err := send(s, x[:260_000]); status.Code(err) != codes.ResourceExhausted || !strings.HasSuffix(err.Error(), ": --max_request_bytes sets the limit") {
		t.Error(err)
	}
	if err := send(s, x); status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
}
