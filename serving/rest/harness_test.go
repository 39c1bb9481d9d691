package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"shoal/serving/rest"
	"shoal/serving/rest/v1"
)

// testServer is a server on a loopback port; it is shut down when the test ends.
type testServer struct {
	*rest.Server
	t    *testing.T
	addr string
	http *http.Client
}

// newServer makes a server that speaks TensorFlow Serving's API.
func newServer(o rest.Options) *rest.Server {
	o.APIs = append(o.APIs, v1.New(v1.Options{Core: o.Core}))
	return rest.New(o)
}

func start(t *testing.T, o rest.Options) *testServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.Core == nil {
		o.Core = newFakeCore()
	}
	s := &testServer{Server: newServer(o), t: t, addr: ln.Addr().String(), http: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.http.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if f, ok := o.Core.(*fakeCore); ok && f.Pinned() != 0 {
			t.Errorf("%d handles were not released", f.Pinned())
		}
	})
	return s
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request whose target goes out exactly as given.
func (s *testServer) do(method, target, body string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.URL.Opaque = target
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (s *testServer) post(target, body string) answer {
	s.t.Helper()
	return s.do("POST", target, body)
}
func (s *testServer) get(target string) answer { s.t.Helper(); return s.do("GET", target, "") }

// raw sends bytes as they are and returns everything that comes back until the server closes the connection.
func (s *testServer) raw(request string) string {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		s.t.Fatalf("%v, after %q", err, b)
	}
	return string(b)
}

func (s *testServer) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// wantError checks an error answer to the byte.
func (a answer) wantError(t *testing.T, status int, text string) {
	t.Helper()
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("{\n    \"error\": %s\n}", bytes.TrimSpace(quoted.Bytes()))
	if a.status != status || a.body != want {
		t.Errorf("got %d %s\nwant %d %s", a.status, a.body, status, want)
	}
	a.wantJSON(t)
}

func (a answer) wantJSON(t *testing.T) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
}

// wantValue checks an answer by its value as JSON.
func (a answer) wantValue(t *testing.T, status int, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(a.body), &g); err != nil || a.status != status || !reflect.DeepEqual(g, w) {
		t.Errorf("got %d %s (%v)\nwant %d %s", a.status, a.body, err, status, want)
	}
	a.wantJSON(t)
}
