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
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
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

// serveHealth serves grpc.health.v1 on listener until the test ends.
func serveHealth(t *testing.T, listener net.Listener, options ...grpc.ServerOption) *health.Server {
	t.Helper()
	states, server := health.NewServer(), grpc.NewServer(options...)
	grpc_health_v1.RegisterHealthServer(server, states)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return states
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func TestGRPCWhereRESTIsOff(t *testing.T) {
	listener := listen(t, "tcp", "127.0.0.1:0")
	states := serveHealth(t, listener)
	proc := processes(t, []string{"tensorflow_model_server", "--rest_api_port=0", "--port=" + port(t, listener.Addr().String())})
	if err := check(t.Context(), proc); err != nil {
		t.Error(err)
	}
	states.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if err := check(t.Context(), proc); err == nil || err.Error() != "gRPC health: NOT_SERVING" {
		t.Errorf("%v, want NOT_SERVING", err)
	}
}

func TestGRPCOverTLS(t *testing.T) {
	https := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer https.Close()
	listener := listen(t, "tcp", "127.0.0.1:0")
	serveHealth(t, listener, grpc.Creds(credentials.NewServerTLSFromCert(&https.TLS.Certificates[0])))
	command := []string{"tensorflow_model_server", "--rest_api_port=0", "--port=" + port(t, listener.Addr().String())}
	if err := check(t.Context(), processes(t, append(command, "--ssl_config_file=f"))); err != nil {
		t.Error(err)
	}
	if err := check(t.Context(), processes(t, command)); err == nil {
		t.Error("the server wants TLS, and the check succeeds without")
	}
}

func TestGRPCOnASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	states := serveHealth(t, listen(t, "unix", path))
	proc := processes(t, []string{"tensorflow_model_server", "--rest_api_port=0", "--port=0", "--grpc_socket_path=" + path})
	if err := check(t.Context(), proc); err != nil {
		t.Error(err)
	}
	states.SetServingStatus("", grpc_health_v1.HealthCheckResponse_UNKNOWN) // its message is empty
	if err := check(t.Context(), proc); err == nil || err.Error() != "gRPC health: UNKNOWN" {
		t.Errorf("%v, want UNKNOWN", err)
	}
}

// A server that answers a call with an error is not ready.
func TestGRPCError(t *testing.T) {
	listener := listen(t, "tcp", "127.0.0.1:0")
	states := serveHealth(t, listener, grpc.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
		return nil, status.Error(codes.Unavailable, "the server stops")
	}))
	defer states.Shutdown()
	err := check(t.Context(), processes(t, []string{"tensorflow_model_server", "--rest_api_port=0", "--port=" + port(t, listener.Addr().String())}))
	if err == nil || !strings.Contains(err.Error(), `code "14": the server stops`) {
		t.Errorf("%v, want the code and the server's reason", err)
	}
}

// What is no answer to a health check is an error, and never a crash.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		code, body string
		want       string // "": ready
	}{
		"serving":          {"0", "\x00\x00\x00\x00\x02\x08\x01", ""},
		"not serving":      {"0", "\x00\x00\x00\x00\x02\x08\x02", "NOT_SERVING"},
		"no status":        {"", "\x00\x00\x00\x00\x02\x08\x01", `code ""`},
		"nothing":          {"0", "", "no message"},
		"cut off":          {"0", "\x00\x00\x00\x00\x02\x08", "no message"},
		"a number too far": {"0", "\x00\x00\x00\x00\x02\x08\x09", "unknown answer 0809"},
		"another field":    {"0", "\x00\x00\x00\x00\x02\x10\x01", "unknown answer 1001"},
		"no number":        {"0", "\x00\x00\x00\x00\x02\x08\x81", "unknown answer 0881"},
		"a tag alone":      {"0", "\x00\x00\x00\x00\x01\x08", "unknown answer 08"},
	} {
		resp := &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Trailer: http.Header{"Grpc-Status": {c.code}}}
		err := judge(resp, []byte(c.body))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
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
