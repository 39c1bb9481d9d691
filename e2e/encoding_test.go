package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// gzip goes both ways, and a body that inflates beyond the limit is refused before it does.
func TestGzip(t *testing.T) {
	s := startModel(t, "half_plus_two", "--max_request_bytes=1000000")
	send := func(body []byte, accept bool) (*http.Response, []byte) {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(body)
		w.Close()
		req, err := http.NewRequest("POST", s.url+"/v1/models/half_plus_two:predict", &z)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", "gzip")
		if accept {
			req.Header.Set("Accept-Encoding", "gzip")
		} else {
			req.Header.Set("Accept-Encoding", "identity")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, b
	}
	rows := []byte(`{"instances":[` + strings.TrimSuffix(strings.Repeat("1.0,", 5000), ",") + `]}`)
	resp, body := send(rows, true)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || !bytes.HasPrefix(plain, []byte(`{"predictions"`)) {
		t.Errorf("%.100s %v", plain, err)
	}
	if resp, _ := send(rows, false); resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	bomb := bytes.Repeat([]byte(" "), 50<<20)
	if resp, body := send(bomb, true); resp.StatusCode != 413 || !bytes.Contains(body, []byte("max_request_bytes")) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
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
