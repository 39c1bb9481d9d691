package rpc

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

var halfOfTwo = predictRequestOf("half_plus_two", "", protos{"x": floatProto([]int64{1}, 2)})

// One server answers on TCP and on a UNIX socket, in place of one that was left behind, and removes it at the end.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grpc.sock")
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()

	unix, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{Core: newCore()}, tcp, unix)
	for _, target := range []string{tcp.Addr().String(), "unix:" + path} {
		if _, err := call(t, dial(t, target, insecure.NewCredentials()), halfOfTwo); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// A socket on which somebody listens is left to him; one that a process left behind is replaced.
func TestListenUnixSparesServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	first, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := ListenUnix(path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v, %v", l, err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first server's socket is gone: %v", err)
	}
	conn.Close()
	first.(*net.UnixListener).SetUnlinkOnClose(false) // as a process that was killed
	first.Close()
	second, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestListenUnixSparesFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), "--grpc_socket_path") {
		t.Errorf("got %v, %v", l, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// compressed counts the answers that came compressed.
// Reflection lists the services and finds the files and the types of every method.
// A panic in a handler is the caller's INTERNAL, goes to the log with its place, and the server goes on. An error that
// is no status keeps its text to the log as well.
// Shutdown answers what was accepted, refuses what comes later, and with its context over cancels what is left.
func TestShutdown(t *testing.T) {
	c := newCore()
	entered, release := make(chan struct{}, 2), make(chan struct{})
	c.Loaded["scalar"][1].add("wait", predictMethod, floatX, floatY, func(ctx context.Context, in []tensor.Tensor, _ time.Time) ([]tensor.Tensor, error) {
		entered <- struct{}{}
		select {
		case <-release:
			return in, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	req := predictRequestOf("scalar", "wait", protos{"x": floatProto(nil, 1)})

	for _, graceful := range []bool{true, false} {
		conn, s := startServer(t, Options{Core: c})
		result := make(chan error, 1)
		go func() {
			_, err := call(t, conn, req)
			result <- err
		}()
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(ctx) }()
		if graceful {
			<-s.draining
			release <- struct{}{}
			if err := <-result; err != nil {
				t.Errorf("an accepted call failed: %v", err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		} else {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if err := <-result; status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
				t.Errorf("got %v", err)
			}
		}
		cancel()
		if _, err := call(t, conn, req); status.Code(err) != codes.Unavailable {
			t.Errorf("after the end: %v", err)
		}
	}
}

func TestServeFailure(t *testing.T) {
	s, err := New(Options{Core: newCore()})
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(closed, other); err == nil || !strings.Contains(err.Error(), closed.Addr().String()) {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	_, err := New(Options{MaxRequestBytes: -1, DefaultTimeout: -1})
	for _, want := range []string{"Core", "--max_request_bytes", "DefaultTimeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
