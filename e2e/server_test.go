// Package e2e tests the built program: it starts the server as a process of its own, on real models, and talks to it over sockets.
package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shoal/internal/built"
	"shoal/internal/testlog"
)

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "shoal-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(programs)
	os.Exit(code)
}

var programs string // the directory for what build makes

// build makes the program and its link, once.
var build = sync.OnceValue(func() error {
	path, err := built.Shoal(programs)
	if err != nil {
		return err
	}
	return os.Symlink(path, filepath.Join(programs, "tensorflow_model_server"))
})

// program is the path of the built program by one of its two names, shoal or tensorflow_model_server.
func program(t testing.TB, name string) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programs, name)
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
	s.cmd = exec.Command(program(t, "shoal"), append([]string{"serve", "--rest_api_port=" + rest, "--port=" + rpc}, args...)...)
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

// startModel starts the server with one of the test models, under its own name.
func startModel(t testing.TB, name string, args ...string) *server {
	t.Helper()
	return start(t, append(args, "--model_name="+name, "--model_base_path="+testModels(t)+"/"+name)...)
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

// stop asks the server to end and returns its exit code.
func (s *server) stop() int {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	return s.wait()
}

// wait waits for the end of the server and returns its exit code.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		s.t.Fatalf("the server did not end within a minute\n%s", s.log)
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

// logged says whether one line of the server's log holds all the texts.
func (s *server) logged(texts ...string) bool {
lines:
	for line := range strings.Lines(s.log.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		return true
	}
	return false
}

// says waits for such a line: the server goes on before what it logs has come here.
func (s *server) says(texts ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("a line of the log says %q", texts), func() bool { return s.logged(texts...) })
}

// memory is the process's resident set, in bytes.
func (s *server) memory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// shoal runs a command, in a directory, and returns what it printed on each stream and its exit code.
func shoal(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(program(t, "shoal"), args...)
	cmd.Dir = dir
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
