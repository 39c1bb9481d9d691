package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// In the moment in which the ports open every model answers, by REST, gRPC and the UNIX socket.
func TestPortsOpenWhenTheModelsAreAvailable(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	s := launch(t, "--model_config_file="+modelsConfig(t, "mlp"), "--grpc_socket_path="+socket)
	s.eventually("the REST port is open", func() bool { return open("tcp", strings.TrimPrefix(s.url, "http://")) })
	if code := s.status("/readyz"); code != 200 {
		t.Errorf("the port is open and /readyz says %d", code)
	}
	s.eventually("gRPC's ports are open", func() bool { return open("tcp", s.grpc) && open("unix", socket) })
	if y, _, err := predictRPC(t.Context(), s.dial(), "half_plus_two", 1); err != nil || y != 3.5 {
		t.Errorf("%v %v", y, err)
	}
	if got := s.log.Lines("listens"); len(got) != 3 {
		t.Errorf("%q", got)
	}
}

// A model that is still being copied keeps the ports closed; --listen_early opens them; SIGTERM ends the waiting.
func TestPortsWhileAModelArrives(t *testing.T) {
	base := t.TempDir()
	version := filepath.Join(base, "1")
	if err := os.Mkdir(version, 0o755); err != nil {
		t.Fatal(err)
	}
	copying := func() { writeFile(t, version, "part", strings.Repeat("x", os.Getpid()%97)) } // a change, as while a file grows
	copying()
	socket := filepath.Join(shortDir(t), "s")
	late := launch(t, "--model_name=m", "--model_base_path="+base, "--grpc_socket_path="+socket)
	early := launch(t, "--model_name=m", "--model_base_path="+base, "--listen_early")
	early.eventually("it is alive", func() bool { copying(); return early.status("/healthz") == 200 })
	early.eventually("it is not ready", func() bool {
		copying()
		resp, body := early.do("GET", "/readyz", "")
		return resp.StatusCode == 503 && strings.Contains(body, "still being copied")
	})
	late.eventually("it has said what the ports wait for", func() bool { copying(); return late.logged("the ports open when the models have settled") })
	for range 20 {
		copying()
		if open("tcp", strings.TrimPrefix(late.url, "http://")) || open("tcp", late.grpc) || open("unix", socket) {
			t.Fatal("a port is open")
		}
	}
	if code := late.stop(); code != 0 || late.logged("listens") {
		t.Errorf("exit code %d", code)
	}
	if err := os.CopyFS(version, os.DirFS(testModels(t)+"/half_plus_two/1")); err != nil {
		t.Fatal(err)
	}
	early.eventually("the model is available", func() bool { return early.status("/readyz") == 200 })
}

// Without a version to load there is nothing to wait for.
func TestPortsWithoutAVersion(t *testing.T) {
	s := launch(t, "--model_name=m", "--model_base_path="+t.TempDir())
	s.eventually("it is alive", func() bool { return s.status("/healthz") == 200 })
	if resp, body := s.do("GET", "/readyz", ""); resp.StatusCode != 503 || !strings.Contains(body, "no version under") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// A port that is in use ends the start before a model is loaded.
func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, taken, _ := net.SplitHostPort(l.Addr().String())
	model := []string{"--model_name=m", "--model_base_path=" + testModels(t) + "/half_plus_two"}
	for _, c := range []struct{ flag, want string }{
		{"--rest_api_port=" + taken, "--rest_api_port: listen tcp :" + taken + ": bind: address already in use"},
		{"--port=" + taken, "--port: listen tcp :" + taken + ": bind: address already in use"},
		{"--grpc_socket_path=/no/such/directory/s", "--grpc_socket_path: /no/such/directory: no such file or directory"},
	} {
		s := launch(t, append(model, c.flag)...)
		if code := s.wait(); code != 1 || !s.logged(c.want) || s.logged("version available") {
			t.Errorf("%s: exit %d\n%s", c.flag, code, s.log)
		}
	}
}

// A second server does not take a living one's UNIX socket; one that a killed server left behind is used again.
func TestUNIXSocketIsNotStolen(t *testing.T) {
	base, path := "--model_base_path="+testModels(t)+"/half_plus_two", filepath.Join(t.TempDir(), "socket")
	first := start(t, base, "--grpc_socket_path="+path)
	second := launch(t, base, "--grpc_socket_path="+path)
	if code := second.wait(); code != 1 || !strings.Contains(second.log.String(), "another server listens there") {
		t.Errorf("exit %d\n%s", code, second.log)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first server has lost its socket: %v", err)
	}
	conn.Close()
	first.cmd.Process.Kill()
	first.wait()
	third := start(t, base, "--grpc_socket_path="+path)
	if code := third.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
