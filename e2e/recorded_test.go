package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"shoal/serving/rpc/rpctest"
)

type restCase struct {
	Name, Method, Path string
	Headers            map[string]string
	Body               *string `json:"body_b64"`
	Status             int
	ContentType        string `json:"content_type"`
	Answer             string `json:"answer_b64"`
	MayBeBetter        bool   `json:"may_be_better"`
}

// otherKernel are texts of TensorFlow's second kernel for an op, by the case that was recorded with the first. Which of them runs
// is TensorFlow's choice by the processor: oneDNN's, as recorded, or Eigen's.
var otherKernel = map[string]string{
	"fixed scalar": "In[0] and In[1] has different ndims: [1] vs. [3,2]",
}

// Both kernels' texts are TensorFlow's own, whichever this machine's processor would choose.
func TestRecordedTextsOfEitherKernel(t *testing.T) {
	for _, oneDNN := range []string{"0", "1"} {
		t.Run("TF_ENABLE_ONEDNN_OPTS="+oneDNN, func(t *testing.T) {
			t.Setenv("TF_ENABLE_ONEDNN_OPTS", oneDNN)
			s := start(t, "--model_config_file="+recordedConfig(t), "--allow_version_labels_for_unavailable_models=true")
			seen := 0
			for c := range recordedREST(t) {
				if otherKernel[c.Name] != "" {
					seen++
					t.Run(c.Name, func(t *testing.T) { c.check(t, s) })
				}
			}
			if seen != len(otherKernel) {
				t.Errorf("%d of %d cases are recorded", seen, len(otherKernel))
			}
		})
	}
}

// recordedREST are the cases in testdata.
func recordedREST(t *testing.T) iter.Seq[*restCase] {
	return func(yield func(*restCase) bool) {
		f, err := os.Open("testdata/rest_cases.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			c := new(restCase)
			if err := json.Unmarshal(lines.Bytes(), c); err != nil {
				t.Fatal(err)
			}
			if !yield(c) {
				return
			}
		}
		if lines.Err() != nil {
			t.Fatal(lines.Err())
		}
	}
}

func TestRecordedREST(t *testing.T) {
	for _, batching := range []string{"true", "false"} {
		t.Run("batching="+batching, func(t *testing.T) {
			s := start(t, "--model_config_file="+recordedConfig(t), "--allow_version_labels_for_unavailable_models=true", "--enable_batching="+batching)
			n := 0
			for c := range recordedREST(t) {
				n++
				t.Run(c.Name, func(t *testing.T) { c.check(t, s) })
			}
			if n < 100 {
				t.Fatalf("%d cases", n)
			}
		})
	}
}

func (c *restCase) check(t *testing.T, s *server) {
	resp, got := c.send(t, s)
	want, err := base64.StdEncoding.DecodeString(c.Answer)
	if err != nil {
		t.Fatal(err)
	}
	if c.MayBeBetter {
		if resp.StatusCode >= 500 {
			t.Errorf("%d %s: not better than %d %s", resp.StatusCode, got, c.Status, want)
		}
		return
	}
	if resp.StatusCode != c.Status {
		t.Fatalf("status %d %s, want %d %s", resp.StatusCode, got, c.Status, want)
	}
	if strings.HasPrefix(c.ContentType, "application/json") && resp.Header.Get("Content-Type") != c.ContentType {
		t.Errorf("content type %q, want %q", resp.Header.Get("Content-Type"), c.ContentType)
	}
	if len(want) == 0 || len(got) == 0 {
		if len(want) != len(got) {
			t.Errorf("body %q, want %q", got, want)
		}
		return
	}
	var g, w any
	if err := parseLenient(got, &g); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if err := parseLenient(want, &w); err != nil {
		t.Fatalf("%v in the recorded %s", err, want)
	}
	if c.Status != http.StatusOK {
		ge, we := g.(map[string]any)["error"].(string), w.(map[string]any)["error"].(string)
		other, two := otherKernel[c.Name]
		if ge != we && !(fromKernel(we) && (alike(ge, we) || two && alike(ge, other))) {
			t.Errorf("error %q, want %q", ge, we)
		}
		return
	}
	double := c.Body != nil && bytes.Contains(decode64(t, *c.Body), []byte(`"float64"`))
	if diff := compare(g, w, double); diff != "" {
		t.Errorf("%s\n got %s\nwant %s", diff, got, want)
	}
}

// send writes the request by hand where net/http would change it.
func (c *restCase) send(t *testing.T, s *server) (*http.Response, []byte) {
	var body []byte
	if c.Body != nil {
		body = decode64(t, *c.Body)
	}
	host := strings.TrimPrefix(s.url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", c.Method, c.Path, host)
	for k, v := range c.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", k, v)
	}
	if c.Body != nil {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: c.Method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

func decode64(t *testing.T, s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordedGRPC(t *testing.T) {
	cases := rpctest.Load(t, "testdata/grpc_cases.jsonl")
	for _, batching := range []string{"true", "false"} {
		t.Run("batching="+batching, func(t *testing.T) {
			s := start(t, "--model_config_file="+recordedConfig(t), "--allow_version_labels_for_unavailable_models=true", "--enable_batching="+batching)
			rpctest.Replay(t, s.dial(), cases)
		})
	}
}
