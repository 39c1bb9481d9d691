// Package e2e tests the built program: it starts the server as a process of its own, on real models, and talks to it over sockets.
package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shoal/internal/built"
	"shoal/internal/testlog"
)

var binary string // the program, built once

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "shoal-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if binary, err = built.Shoal(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "tensorflow_model_server")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// testModels is the directory of the test models; the test is skipped where they were not made.
func testModels(t testing.TB) string { return made(t, "test") }

func made(t testing.TB, name string) string {
	t.Helper()
	dir := inRepository(t, ".cache", "models", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the test models are not there (make test-models makes them): %v", err)
	}
	return dir
}

// inRepository is the absolute path of a file of the repository.
func inRepository(t testing.TB, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{".."}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// server is a running process.
type server struct {
	t    testing.TB
	cmd  *exec.Cmd
	url  string // of REST, without a path
	grpc string // host:port
	log  *testlog.Log
	done chan struct{}
	err  error // of Wait, once done is closed
}

// launch starts the server on free ports and does not wait for readiness.
func launch(t testing.TB, args ...string) *server {
	t.Helper()
	return launchWith(t, nil, args...)
}

// launchWith is launch with something changed before it.
func launchWith(t testing.TB, change func(*exec.Cmd), args ...string) *server {
	t.Helper()
	rest, rpc := freePort(t), freePort(t)
	s := &server{t: t, url: "http://127.0.0.1:" + rest, grpc: "127.0.0.1:" + rpc, log: new(testlog.Log), done: make(chan struct{})}
	s.cmd = exec.Command(binary, append([]string{"serve", "--rest_api_port=" + rest, "--port=" + rpc}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if change != nil {
		change(s.cmd)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		select {
		case <-s.done:
		default:
			s.cmd.Process.Kill()
			<-s.done
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.log)
		}
	})
	return s
}

// start launches the server and waits until every model is available.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	s := launch(t, args...)
	s.eventually("the server is ready", func() bool { return s.status("/readyz") == http.StatusOK })
	return s
}

// eventually polls a condition, and fails the test when it does not come true within a minute or the server ends.
func (s *server) eventually(what string, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("waited in vain until %s\n%s", what, s.log)
		case <-s.done:
			s.t.Fatalf("the server ended (%v) before %s\n%s", s.err, what, s.log)
		case <-tick.C:
		}
	}
}

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

// stop asks the server to end and returns its exit code.
func (s *server) stop() int {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	return s.wait()
}

// wait returns the exit code of a server that was asked to end.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		s.t.Fatalf("the server did not end within a minute of SIGTERM\n%s", s.log)
	}
	return s.cmd.ProcessState.ExitCode()
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// writeFile writes a file into dir and returns its path.
func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
	return path
}
