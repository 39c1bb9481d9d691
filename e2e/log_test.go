package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/metadata"
)

// A log that nobody reads holds up no request, and the lines it loses are counted and told of; so is a log whose reader has gone.
func TestLogThatNobodyReads(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := launchWith(t, func(cmd *exec.Cmd) { cmd.Stderr = write }, "--model_base_path="+testModels(t)+"/half_plus_two", "--access_log_ratio=1", "--log_buffer_bytes=16KiB")
	write.Close()
	s.eventually("ready", func() bool { return s.status("/readyz") == 200 })
	dropped := func() float64 {
		return s.page("/metrics")["shoal_log_lines_dropped_total"].GetMetric()[0].GetCounter().GetValue()
	}
	predict := func() {
		s.want("POST", "/v1/models/default:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	}
	s.eventually("lines are dropped", func() bool { predict(); return dropped() > 10 })
	told := make(chan bool)
	go func() {
		defer close(told)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			if strings.Contains(lines.Text(), "log lines were dropped") {
				told <- true
				return
			}
		}
	}()
	if !<-told {
		t.Error("nothing tells of the lines that were dropped")
	}
	before := dropped()
	read.Close()
	s.eventually("lines are lost", func() bool { predict(); return dropped() > before })
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What a crash prints reaches standard error, though descriptor 2 does not block.
func TestCrashesAreSeen(t *testing.T) {
	s := start(t, "--model_base_path="+testModels(t)+"/half_plus_two")
	s.cmd.Process.Signal(syscall.SIGQUIT)
	s.wait()
	if !strings.Contains(s.log.String(), "SIGQUIT: quit") || !strings.Contains(s.log.String(), "goroutine ") {
		t.Errorf("no trace in the log\n%s", s.log)
	}
}

// A line a request where they are asked for, with the ids that the clients know, and none by default.
func TestAccessLog(t *testing.T) {
	for name, args := range map[string][]string{"on": {"--access_log_ratio=1"}, "off": nil} {
		t.Run(name, func(t *testing.T) {
			s := startModel(t, "half_plus_two", args...)
			req, err := http.NewRequest("POST", s.url+"/v1/models/half_plus_two:predict", strings.NewReader(`{"instances":[1.0,2.0]}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Request-Id", "from-the-client")
			if answer := s.send(req); !strings.Contains(answer, "X-Request-Id: from-the-client") {
				t.Errorf("the id does not come back:\n%s", answer)
			}
			ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("x-request-id", "by-grpc"))
			if _, _, err := predictRPC(ctx, s.dial(), "half_plus_two", 1); err != nil {
				t.Error(err)
			}
			s.do("GET", "/v1/models/none", "")
			s.stop()
			for _, line := range []string{
				"msg=request api=REST method=Predict verb=POST path=/v1/models/half_plus_two:predict model=half_plus_two version=2 signature=serving_default status=200 code=OK rows=2 batch_rows=2",
				"request_id=from-the-client",
				"msg=request api=gRPC method=Predict model=half_plus_two version=2 signature=serving_default code=OK rows=1",
				"request_id=by-grpc",
				"msg=request api=REST method=GetModelStatus verb=GET path=/v1/models/none model=none status=404 code=NOT_FOUND",
			} {
				if got := strings.Contains(s.log.String(), line); got != (args != nil) {
					t.Errorf("logged %v: %s", got, line)
				}
			}
		})
	}
}

// What is rejected is told by one line, not by one each.
func TestRejectionsAreLogged(t *testing.T) {
	config := writeFile(t, t.TempDir(), "batching.config", `max_batch_size { value: 1 } max_enqueued_batches { value: 1 } num_batch_threads { value: 1 }`)
	s := startModel(t, "slow", "--batching_parameters_file="+config)
	var clients sync.WaitGroup
	var mu sync.Mutex
	rejected := 0
	for range 64 {
		clients.Go(func() {
			code, _, _, err := post(s.url+"/v1/models/slow:predict", `{"instances":[1.0]}`)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if code == http.StatusServiceUnavailable {
				rejected++
			}
		})
	}
	clients.Wait()
	s.stop()
	told := strings.Count(s.log.String(), `msg="requests rejected" model=slow reason=queue_full`)
	if rejected < 10 || told < 1 || told > 5 {
		t.Errorf("%d lines tell of %d rejections", told, rejected)
	}
	if !strings.Contains(s.log.String(), fmt.Sprintf("requests=%d", rejected-1)) && told == 2 {
		t.Errorf("the second line does not tell of the other %d", rejected-1)
	}
}
