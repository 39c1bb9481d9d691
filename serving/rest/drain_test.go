package rest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"shoal/serving/rest"
)

// run serves on a loopback port without the clean-up of start; stop is the test's.
func run(t *testing.T, o rest.Options) (s *rest.Server, addr string, served chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, served = newServer(o), make(chan error, 1)
	s.SetQuiet(time.Minute) // however slow the machine, no client is closed on before it has had its say
	go func() { served <- s.Serve(ln) }()
	return s, ln.Addr().String(), served
}

func post(conn net.Conn, body string) error {
	req, err := http.NewRequest("POST", "http://x"+predictURL, strings.NewReader(body))
	if err != nil {
		return err
	}
	return req.Write(conn)
}

// TestDrainAnswersWhatRuns stops the server while a request is in the model and another connection is idle.
func TestDrainAnswersWhatRuns(t *testing.T) {
	core := newFakeCore()
	model := core.Loaded["half_plus_two"][2]
	model.entered, model.gate = make(chan struct{}), make(chan struct{})
	s, addr, served := run(t, rest.Options{Core: core})

	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	busy, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	ask := "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
	fromIdle := bufio.NewReader(idle)
	if _, err := io.WriteString(idle, ask); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(fromIdle, nil)
	if err != nil || resp.StatusCode != 200 || resp.Close {
		t.Fatalf("%v %v", resp, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if err := post(busy, one); err != nil {
		t.Fatal(err)
	}
	<-model.entered

	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	if err := <-served; err != nil { // it returns when nothing is accepted any more
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("a new connection is still accepted")
	}
	// A connection that is open may ask once more and learns that it is the end.
	if _, err := io.WriteString(idle, ask); err != nil {
		t.Fatal(err)
	}
	resp, err = http.ReadResponse(fromIdle, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 503 || !resp.Close || !strings.Contains(string(b), "the server is shutting down") {
		t.Errorf("%d close=%v %s", resp.StatusCode, resp.Close, b)
	}
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown returned %v before the last answer", err)
	default:
	}
	close(model.gate)
	resp, err = http.ReadResponse(bufio.NewReader(busy), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ = io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || !resp.Close || !strings.Contains(string(b), "3.5") {
		t.Errorf("%d close=%v %s", resp.StatusCode, resp.Close, b)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if core.Pinned() != 0 {
		t.Error("a handle was not released")
	}
}

// TestDrainUnderLoad stops the server under clients that send without pause. On a connection that has been answered and
// not been told to close, the next request must be answered.
func TestDrainUnderLoad(t *testing.T) {
	s, addr, served := run(t, rest.Options{Core: newFakeCore()})
	var clients sync.WaitGroup
	var answered atomic.Int64
	warm := make(chan struct{}, 1)
	for range 16 {
		clients.Go(func() {
			for {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return // not accepted: the end
				}
				r := bufio.NewReader(c)
				for n := 0; ; n++ {
					err := post(c, one)
					var resp *http.Response
					if err == nil {
						resp, err = http.ReadResponse(r, nil)
					}
					if err != nil {
						if n > 0 || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
							t.Errorf("request %d of a connection: %v", n, err)
						}
						break
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
						t.Errorf("%d %v", resp.StatusCode, err)
					}
					if answered.Add(1) == 500 {
						warm <- struct{}{}
					}
					if resp.Close {
						break
					}
				}
				c.Close()
			}
		})
	}
	<-warm
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	clients.Wait()
}

// TestShutdownGivesUp cancels a request that does not end in time.
func TestShutdownGivesUp(t *testing.T) {
	core := newFakeCore()
	model := core.Loaded["half_plus_two"][2]
	model.entered, model.gate = make(chan struct{}), make(chan struct{})
	s, addr, served := run(t, rest.Options{Core: core})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := post(c, one); err != nil {
		t.Fatal(err)
	}
	<-model.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != rest.StatusClientClosed {
		t.Errorf("%v %v", resp, err)
	}
	if core.Pinned() != 0 {
		t.Error("a handle was not released")
	}
}

func TestShutdownWithoutServe(t *testing.T) {
	s := newServer(rest.Options{Core: newFakeCore()})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ln); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}

// TestShutdownClosesUnusedConnections: clients open connections to have them ready; one that never asked holds nothing up.
func TestShutdownClosesUnusedConnections(t *testing.T) {
	s, addr, served := run(t, rest.Options{Core: newFakeCore()})
	s.SetQuiet(0)
	unused, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer unused.Close()
	used, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	// Connections are accepted in turn: once the second is answered, the first is the server's.
	if err := post(used, one); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(used), nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := unused.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the unused connection: %v", err)
	}
}
