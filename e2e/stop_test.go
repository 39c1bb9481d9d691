package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/serving/rpc/rpctest"
)

// SIGTERM in the middle of load: what was accepted is answered, the rest is refused, the exit code is 0.
func TestDrain(t *testing.T) {
	s := startModel(t, "slow")
	var wg sync.WaitGroup
	var answered, lost atomic.Int64
	started := make(chan struct{}, 64)
	for range 64 {
		wg.Go(func() {
			// A request that is accepted, its connection there, must be answered; the next one may be refused.
			client := &http.Client{Transport: &http.Transport{}}
			for first := true; ; first = false {
				resp, err := client.Post(s.url+"/v1/models/slow:predict", "", strings.NewReader(`{"instances":[1.0]}`))
				if err != nil {
					// Only a connection that was refused, or a kept one that the server had closed before the request, is fine.
					if !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "closed") {
						lost.Add(1)
						t.Error(err)
					}
					return
				}
				resp.Body.Close()
				if resp.StatusCode != 200 && resp.StatusCode != 503 {
					t.Errorf("status %d", resp.StatusCode)
				}
				if resp.StatusCode != 200 {
					return
				}
				answered.Add(1)
				if first {
					started <- struct{}{}
				}
			}
		})
	}
	for range 64 {
		<-started
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	wg.Wait()
	if answered.Load() < 64 || lost.Load() > 0 {
		t.Errorf("%d answered, %d lost", answered.Load(), lost.Load())
	}
}

// A collector that takes connections and never answers costs a moment at the end, whatever its own timeouts are.
func TestStopWithACollectorThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := launchWith(t, func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+l.Addr().String(), "OTEL_EXPORTER_OTLP_TIMEOUT=600000")
	}, "--model_base_path="+testModels(t)+"/half_plus_two", "--drain_timeout=10m")
	s.eventually("ready", func() bool { return s.status("/readyz") == 200 })
	s.do("POST", "/v1/models/default:predict", `{"instances":[1.0]}`)
	if code := s.stop(); code != 0 || !strings.Contains(s.log.String(), "were not sent") {
		t.Errorf("exit code %d", code)
	}
}

// Connections that wait to be accepted when the signal comes are answered: the process is stopped while they arrive.
func TestBacklogIsAnswered(t *testing.T) {
	s := start(t, "--model_base_path="+testModels(t)+"/half_plus_two", "--model_name=half_plus_two")
	http.DefaultClient.CloseIdleConnections()
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const body = `{"instances":[1.0]}`
	var conns []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		conns = append(conns, c)
	}
	var calls sync.WaitGroup
	for range 8 { // each on a connection of its own
		conn := s.dial()
		conn.Connect()
		calls.Go(func() {
			if y := new(apis_go_proto.PredictResponse); rpctest.Call(t.Context(), conn, "Predict", predictRequest("half_plus_two", 1), y) != nil || y.Outputs["y"] == nil {
				t.Errorf("gRPC: %v", y)
			}
		})
	}
	inBacklog(t, s.grpc, 8)
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Process.Signal(syscall.SIGCONT)
	defer calls.Wait()
	for i, c := range conns {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		got, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || squeeze(string(got)) != `{"predictions":[3.5]}` {
			t.Errorf("connection %d: %d %s", i, resp.StatusCode, got)
		}
	}
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// inBacklog waits until so many connections to the address wait to be accepted, by the kernel's own list.
func inBacklog(t *testing.T, address string, n int) {
	t.Helper()
	_, digits, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(digits)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for found := 0; found < n; {
		if ctx.Err() != nil {
			t.Fatalf("%d of %d connections have come", found, n)
		}
		found = 0
		for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
			raw, err := os.ReadFile(table)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(raw)) { // local address, remote address, state, queues; 01: established
				if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] == "01" {
					found++
				}
			}
		}
	}
}

// With --shutdown_delay the server says at once that it is not ready, and answers new connections until the delay is over; a second
// signal ends it at once. SIGHUP does neither.
func TestShutdownDelay(t *testing.T) {
	s := start(t, "--model_base_path="+testModels(t)+"/half_plus_two", "--shutdown_delay=1h")
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.eventually("SIGHUP is noted", func() bool { return strings.Contains(s.log.String(), "SIGHUP does nothing") })
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.eventually("not ready", func() bool { return s.status("/readyz") == 503 })
	http.DefaultClient.CloseIdleConnections()
	s.want("POST", "/v1/models/default:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.wait()
	if ws := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v", s.cmd.ProcessState)
	}
	short := start(t, "--model_base_path="+testModels(t)+"/half_plus_two", "--shutdown_delay=100ms")
	if code := short.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
