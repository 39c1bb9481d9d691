package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// processes makes a /proc with the command lines of processes.
func processes(t *testing.T, commands ...[]string) string {
	t.Helper()
	proc := t.TempDir()
	for i, args := range commands {
		dir := filepath.Join(proc, string(rune('1'+i)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cmdline"), []byte(strings.Join(args, "\x00")+"\x00"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

func port(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(address, "http://"), "https://"))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func ready(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/readyz" {
		http.NotFound(w, r)
	}
}

func TestREST(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(ready))
	defer server.Close()
	for _, command := range [][]string{
		{"tensorflow_model_server", "--rest_api_port=1", "--rest_api_port=" + port(t, server.URL)},
		{"/usr/local/bin/shoal", "serve", "--rest_address=0.0.0.0", "--rest_api_port", port(t, server.URL)},
	} {
		proc := processes(t, []string{"/sbin/docker-init", "--", "/usr/bin/tf_serving_entrypoint.sh"}, []string{"shoal-healthcheck"}, command)
		if err := check(t.Context(), proc); err != nil {
			t.Errorf("%q: %v", command, err)
		}
	}
}

func TestRESTOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(ready))
	defer server.Close()
	proc := processes(t, []string{"tensorflow_model_server", "--rest_address=127.0.0.1", "--rest_api_port=" + port(t, server.URL),
		"--rest_tls_cert_file=c", "--rest_tls_key_file=k"})
	if err := check(t.Context(), proc); err != nil {
		t.Error(err)
	}
}

func TestNotReady(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "model m has no available version", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	err := check(t.Context(), processes(t, []string{"tensorflow_model_server", "--rest_api_port=" + port(t, server.URL)}))
	if err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "model m") {
		t.Errorf("%v, want the code and the server's reason", err)
	}
}

func TestGRPCWhereRESTIsOff(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	states, server := health.NewServer(), grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, states)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	proc := processes(t, []string{"tensorflow_model_server", "--rest_api_port=0", "--port=" + port(t, listener.Addr().String())})
	if err := check(t.Context(), proc); err != nil {
		t.Error(err)
	}
	states.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if err := check(t.Context(), proc); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("%v, want NOT_SERVING", err)
	}
}

func TestNoServer(t *testing.T) {
	if err := check(t.Context(), processes(t, []string{"bash"}, []string{"shoal", "bench"})); err == nil {
		t.Error("no server runs, and the check succeeds")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := check(ctx, processes(t, []string{"tensorflow_model_server"})); err == nil {
		t.Error("the time is over, and the check succeeds")
	}
}
