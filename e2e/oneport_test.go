package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// startOnePort starts a server with both APIs on one port.
func startOnePort(t *testing.T, args ...string) *server {
	port := freePort(t)
	s := launch(t, append([]string{"--model_name=half_plus_two", "--model_base_path=" + testModels(t) + "/half_plus_two",
		"--port=" + port, "--rest_api_port=" + port}, args...)...)
	s.grpc, s.url = "127.0.0.1:"+port, "http://127.0.0.1:"+port
	return s
}

func TestBothAPIsOnOnePort(t *testing.T) {
	s := startOnePort(t)
	s.eventually("it is ready", func() bool { return s.status("/readyz") == 200 })
	s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	if y, _, err := predictRPC(t.Context(), s.dial(), "half_plus_two", 1); err != nil || y != 3.5 {
		t.Errorf("%v %v", y, err)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// One port with one certificate: the client's offer (ALPN) chooses the API.
func TestBothAPIsOnOneTLSPort(t *testing.T) {
	ca, dir := newAuthority(t, "the test's authority"), t.TempDir()
	cert, key := ca.issue("server")
	s := startOnePort(t, "--rest_tls_cert_file="+writeFile(t, dir, "cert.pem", cert), "--rest_tls_key_file="+writeFile(t, dir, "key.pem", key),
		"--ssl_config_file="+writeFile(t, dir, "ssl.config", "server_key: "+quote(key)+"\nserver_cert: "+quote(cert)))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: ca.trust(), ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	url := strings.Replace(s.url, "http:", "https:", 1) + "/v1/models/half_plus_two:predict"
	s.eventually("REST answers", func() bool {
		resp, err := client.Post(url, "application/json", strings.NewReader(`{"instances":[1.0]}`))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == 200 && squeeze(string(body)) == `{"predictions":[3.5]}`
	})
	if y, _, err := predictRPC(t.Context(), s.dial(grpc.WithTransportCredentials(credentials.NewTLS(ca.trust()))), "half_plus_two", 1); err != nil || y != 3.5 {
		t.Errorf("%v %v", y, err)
	}
}

func quote(pem string) string { return `"` + strings.ReplaceAll(pem, "\n", `\n`) + `"` }

// PORT alone says where both APIs listen.
func TestPortOfTheEnvironment(t *testing.T) {
	port := freePort(t)
	s := launchWith(t, func(cmd *exec.Cmd) {
		var args []string
		for _, a := range cmd.Args {
			if !strings.HasPrefix(a, "--port=") && !strings.HasPrefix(a, "--rest_api_port=") {
				args = append(args, a)
			}
		}
		cmd.Args = args
		cmd.Env = append(os.Environ(), "PORT="+port)
	}, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
	s.grpc, s.url = "127.0.0.1:"+port, "http://127.0.0.1:"+port
	s.eventually("it is ready", func() bool { return s.status("/readyz") == 200 })
	if y, _, err := predictRPC(t.Context(), s.dial(), "half_plus_two", 1); err != nil || y != 3.5 {
		t.Errorf("%v %v", y, err)
	}
}

// A stop under load loses no request of either API that was sent before the server refused connections.
func TestStopOfOnePort(t *testing.T) {
	s := startOnePort(t, "--drain_timeout=30s")
	s.eventually("it is ready", func() bool { return s.status("/readyz") == 200 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	begun := make(chan struct{}, 8)
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ {
				resp, err := client.Post(s.url+"/v1/models/half_plus_two:predict", "application/json", strings.NewReader(`{"instances":[1.0]}`))
				if err != nil {
					if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" { // else nothing was sent
						t.Error(err)
					}
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("%d %s %v", resp.StatusCode, body, err)
				}
				if n == 10 {
					begun <- struct{}{}
				}
			}
		})
		conn := s.dial()
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if y, _, err := predictRPC(t.Context(), conn, "half_plus_two", 1); err != nil || y != 3.5 {
					if err == nil || !strings.Contains(err.Error(), "while dialing") {
						t.Error(y, err)
					}
					return
				}
				if n == 10 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
	clients.Wait()
}
