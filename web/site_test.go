package web

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/devices"
	"shoal/devices/fake"
	"shoal/serving/access"
	"shoal/serving/rest"
	"shoal/serving/rest/v1"
	"shoal/tensor"
)

// site is a page in a real server, as a browser meets it.
type site struct {
	*Page
	core *fakeCore
	url  string
	http *http.Client
}

// newSite serves a model with two versions and one that failed to load. It is shut down when the test ends, in the order of
// a real server: the page first.
func newSite(t *testing.T) *site { return newSiteWith(t, nil) }

// newSiteWith is newSite on a server that asks for keys; nil: it does not.
func newSiteWith(t *testing.T, keys *access.Keys) *site {
	t.Helper()
	core := newFakeCore()
	gpus := fake.New(fake.GPUs(1)...)
	if err := gpus.Open(); err != nil {
		t.Fatal(err)
	}
	list, err := gpus.GPUs()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{core: core, http: &http.Client{Transport: &http.Transport{}}, Page: newPage(core, Options{
		Version: "1.2.3", TensorFlow: "2.21.0", Devices: fixed{devices.Observe(gpus, list, nil)},
		Settings: []Setting{
			{Group: "Batching", Name: "enable_batching", Value: "true", Help: "Batch requests."},
			{Group: "Models", Name: "model_config_file", Value: "models.config", Help: "The models to serve.", Changed: true},
		},
		Links: []Link{{"Metrics", "metrics"}, {"Readiness", "readyz"}},
		Example: func(sig *tensor.Signature) (verb, body, why string) {
			if sig.Inputs[0].Name == "large" {
				return "predict", "", "its inputs are large"
			}
			return "predict", `{"instances":[0.0]}`, ""
		},
	})}
	core.load(t, "half", 1, s.BatchObserver(nil)("half", 1), "stable")
	core.load(t, "half", 2, s.BatchObserver(nil)("half", 2), "canary")
	core.fail("broken", 7, status.Error(codes.NotFound, `Could not find a SavedModel in /models/broken/7: there is no saved_model.pb`))

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + ln.Addr().String()
	server := rest.New(rest.Options{Core: core, APIs: []rest.API{v1.New(v1.Options{Core: core})}, Observer: s.Page, Paths: s.Paths(), Version: "1.2.3", Keys: keys, Open: IsStatic})
	var parts sync.WaitGroup
	parts.Go(func() { s.Run(context.Background()) })
	parts.Go(func() {
		if err := server.Serve(ln); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		s.Close()
		s.http.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		parts.Wait()
	})
	return s
}

// watched is how many streams there are.
func (s *site) watched() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return len(s.hub.watchers)
}

type fixed struct{ latest *devices.Snapshot }

func (f fixed) Snapshot() *devices.Snapshot { return f.latest }

// traffic sends a few hundred requests a second, some of them wrong, until ctx ends, and waits for the last answers.
func (s *site) traffic(ctx context.Context, t *testing.T) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	var clients sync.WaitGroup
	defer clients.Wait()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		body, path := fmt.Sprintf(`{"instances":[%s1.0]}`, strings.Repeat("2.0,", i%7)), "/v1/models/half:predict"
		switch {
		case i%40 == 3:
			body = `{"instances":["text"]}`
		case i%3 == 0:
			path = "/v1/models/half/labels/stable:predict"
		}
		clients.Go(func() {
			if code, answer := s.do(t, http.MethodPost, path, body); code != http.StatusOK && code != http.StatusBadRequest {
				t.Errorf("%d %s", code, answer)
			}
		})
	}
}

func (s *site) do(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	res, err := s.http.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.StatusCode, string(content)
}

func TestPaths(t *testing.T) {
	s := newSite(t)
	for path := range s.Paths() {
		res, err := s.http.Head(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if path == "/status/model" {
			continue // a name is missing
		}
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Security-Policy") != policy || res.Header.Get("Content-Type") == "" {
			t.Errorf("HEAD %s: %d %v", path, res.StatusCode, res.Header)
		}
		if code, _ := s.do(t, http.MethodPost, path, "{}"); code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, code)
		}
	}
	res, err := s.http.Get(s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	req, _ := http.NewRequest(http.MethodGet, s.url+"/", nil)
	req.Header.Set("If-None-Match", res.Header.Get("ETag"))
	if res, err = s.http.Do(req); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotModified {
		t.Errorf("a page that the browser has: %d", res.StatusCode)
	}
}

func TestDetails(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		query string
		code  int
		want  string
	}{
		{"name=half", 200, `{"model":"half","version":2,"signatures":[{"name":"serving_default","method":"tensorflow/serving/predict",` +
			`"inputs":[{"name":"x","type":"float","shape":"[-1]"}],"outputs":[{"name":"y","type":"float","shape":"[-1]"}],` +
			`"verb":"predict","example":"{\"instances\":[0.0]}"}]}`},
		{"name=half&version=1", 200, `"version":1,`},
		{"name=half&label=stable", 200, `"version":1,`},
		{"name=half&version=x", 400, `{"error":"version=x is not a number"}`},
		{"name=absent", 404, `{"error":"Servable not found for request: Latest(absent)"}`},
	} {
		code, answer := s.do(t, http.MethodGet, "/status/model?"+c.query, "")
		if code != c.code || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s\nwant %d %s", c.query, code, answer, c.code, c.want)
		}
	}
}

// TestShutdownEndsStreams checks that somebody who watches does not hold a shutdown up.
func TestShutdownEndsStreams(t *testing.T) {
	s := newSite(t)
	res, err := s.http.Get(s.url + "/status/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("Content-Type %q", kind)
	}
	first := make([]byte, 512)
	if n, err := io.ReadAtLeast(res.Body, first, len(first)); err != nil || !strings.HasPrefix(string(first[:n]), "retry: ") {
		t.Fatalf("the stream begins with %q, %v", first, err)
	}
	s.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
	if code, _ := s.do(t, http.MethodGet, "/status/events", ""); code != http.StatusServiceUnavailable {
		t.Errorf("a closed page answers %d", code)
	}
}
