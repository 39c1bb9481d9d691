package limits

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"shoal/loadtest/load"
)

func TestBothAnswer(t *testing.T) {
	const answer = `{"predictions":[1]}`
	for name, serve := range map[string]func(net.Listener) error{
		"echo":  NewEcho([]byte(answer), 1<<20).Serve,
		"floor": func(l net.Listener) error { return Floor(l, []byte(answer)) },
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = serve(l) }()
		for range 2 { // the connection is kept
			resp, err := http.Post("http://"+l.Addr().String()+"/v1/models/m:predict", "application/json", strings.NewReader(strings.Repeat("x", 40_000)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(b) != answer || resp.StatusCode != 200 {
				t.Errorf("%s: %s %q %v", name, resp.Status, b, err)
			}
		}
		l.Close()
	}
}

func TestGRPCAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = EchoGRPC(l, []byte("answer")) }()
	defer l.Close()
	right := func(_ int, got []byte) bool { return string(got) == "answer" }
	target, err := load.NewGRPC(l.Addr().String(), []load.Body{{Data: make([]byte, 40_000), Rows: 1}}, checker(right), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	client, err := target.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var r load.Result
	if client.Send(t.Context(), 0, &r); r.Outcome != load.Good {
		t.Errorf("got %+v", r)
	}
}

type checker func(body int, answer []byte) bool

func (c checker) Check(body int, answer []byte) bool { return c(body, answer) }
