package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/rpc/rpctest"
)

// After every hostile request the server still answers a good one.
func TestBadInputNeverCrashes(t *testing.T) {
	s := start(t, "--model_config_file="+recordedConfig(t), "--allow_version_labels_for_unavailable_models=true", "--max_request_bytes=1000000")
	deep := func(n int) string {
		return `{"instances":[` + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) + `]}`
	}
	for _, c := range []struct {
		path, body string
		code       int
		text       string // that the answer must hold
	}{
		{"identity:predict", deep(300), 400, "tensor parsing error: x"},
		{"identity:predict", deep(400000), 400, ""},
		{"identity:predict", `{"instances":` + strings.Repeat("[", 900000), 400, "JSON Parse error"},
		{"identity:predict", `{"instances":[[1,2],[3]]}`, 400, "Expecting tensor size: 2 but got: 1"},
		{"identity:predict", `{"instances":[1e39999999]}`, 400, "Number too big to be stored in double"},
		{"identity:predict", `{"signature_name":"int8","instances":[300]}`, 400, "int8"},
		{"identity:predict", `{"signature_name":"string","instances":[{"b64":"!!"}]}`, 400, "Unable to base64 decode"},
		{"identity:predict", "{\"instances\":[1],\"x\":\"\x00\"}", 400, "JSON Parse error"},
		{"identity:predict", strings.Repeat(" ", 999990) + "{}", 400, "Missing 'inputs' or 'instances' key"},
		{"identity:predict", `{"instances":[` + strings.Repeat("1,", 600000) + `1]}`, 413, "max_request_bytes"},
		{"multi:predict", `{"instances":[{"a":[1,2],"b":7}]}`, 400, "keys must be equal to: a,b,s"},
		{"multi:predict", `{"inputs":{"a":[[1,2]],"b":[1,2,3],"s":["x"]}}`, 200, ""},
		{"fixed:predict", `{"inputs":[]}`, 400, ""},
		{"scalar:predict", `{"inputs":[1,2,3]}`, 200, ""},
		{"half_plus_two/versions/-1:predict", `{"instances":[1]}`, 400, "Malformed request"},
		{"%00:predict", `{"instances":[1]}`, 404, ""},
		{"%zz:predict", `{"instances":[1]}`, 404, ""},
	} {
		code, body, _, err := post(s.url+"/v1/models/"+strings.Replace(c.path, "%zz", "zz", 1), c.body)
		if err != nil || code != c.code || !strings.Contains(string(body), c.text) {
			t.Errorf("%s %.60s: %d %.300s %v; want %d with %q", c.path, c.body, code, body, err, c.code, c.text)
		}
		if code >= 500 {
			t.Errorf("%s %.60s: %d %.300s", c.path, c.body, code, body)
		}
		s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	}
}

// What is no HTTP at all, or stops half-way, is answered or dropped, and nobody else notices.
func TestBrokenConnections(t *testing.T) {
	s := startModel(t, "half_plus_two", "--max_request_bytes=1000")
	addr := strings.TrimPrefix(s.url, "http://")
	for _, raw := range []string{
		"hello\r\n\r\n",
		"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
		"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n{\"instances\":[",
		"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
		"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7D0\r\n" + strings.Repeat("1", 2000) + "\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\n" + strings.Repeat("X-Long: "+strings.Repeat("y", 1000)+"\r\n", 100) + "\r\n",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		io.WriteString(conn, raw)
		conn.(*net.TCPConn).CloseWrite()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil && resp.StatusCode < 400 {
			t.Errorf("%.80q: %s", raw, resp.Status)
		}
		conn.Close()
		s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	}
}

// Every element type goes in and comes out the same.
func TestEveryType(t *testing.T) {
	s := startModel(t, "identity")
	for dtype, v := range map[string]string{
		"float16": "1.5", "bfloat16": "-2.5", "float32": "0.1", "float64": "0.1", "int8": "-128", "int16": "-32768", "int32": "-2147483648", "int64": "-9223372036854775808",
		"uint8": "255", "uint16": "65535", "uint32": "4294967295", "uint64": "18446744073709551615", "bool": "true", "string": `"\u00fc\n\"x\""`,
	} {
		want := v
		if dtype == "string" {
			want = `"ü\n\"x\""`
		}
		s.want("POST", "/v1/models/identity:predict", fmt.Sprintf(`{"signature_name":%q,"instances":[[%s,%s],[%s,%s]]}`, dtype, v, v, v, v), 200, fmt.Sprintf(`{"predictions":[[%[1]s,%[1]s],[%[1]s,%[1]s]]}`, want))
		s.want("POST", "/v1/models/identity:predict", fmt.Sprintf(`{"inputs":{"x":[%s]},"signature_name":%q}`, v, dtype), 200, fmt.Sprintf(`{"outputs":[%s]}`, want))
	}
}

// An op's message may quote bytes that are no UTF-8; the answer is JSON all the same.
func TestErrorsAreJSON(t *testing.T) {
	s := startModel(t, "half_plus_two")
	resp, body := s.do("POST", "/v1/models/half_plus_two:predict", `{"signature_name":"regress_x_to_y","inputs":[{"b64":"0w=="}]}`)
	if resp.StatusCode != 400 || !utf8.ValidString(body) || !strings.Contains(body, "\uFFFD") {
		t.Errorf("%d %q", resp.StatusCode, body)
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
