package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Profiles are off by default, and for this machine alone where they are on.
func TestDebugAddress(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	s := startModel(t, "half_plus_two", "--debug_address="+address)
	get := func(path, header, value string) (int, string) {
		req, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header == "Host" {
			req.Host = value
		} else if header != "" {
			req.Header.Set(header, value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, c := range []struct {
		path, header, value string
		code                int
		want                string
	}{
		{"/debug/goroutines", "", "", 200, "goroutine 1 ["},
		{"/debug/pprof/", "", "", 200, "heap"},
		{"/debug/pprof/heap", "Host", "localhost:6060", 200, "\x1f\x8b"},
		{"/debug/pprof/heap", "Host", "evil.example", 403, "must be a loopback one"},
		{"/debug/pprof/heap", "X-Forwarded-For", "10.0.0.1", 403, "through a proxy"},
		{"/debug/goroutines", "Sec-Fetch-Site", "cross-site", 403, "pages of other sites"},
		{"/", "", "", 404, ""},
	} {
		if code, body := get(c.path, c.header, c.value); code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s with %s %s: %d %.200s, want %d %s", c.path, c.header, c.value, code, body, c.code, c.want)
		}
	}
	if code := s.status("/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles on the REST port: %d", code)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
