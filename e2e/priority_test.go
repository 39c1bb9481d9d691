package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// While more requests of the low level come than can be served, every one of the high level is answered, by both APIs, and the
// queue's bound rejects the low level alone.
func TestPriorities(t *testing.T) {
	file := writeFile(t, t.TempDir(), "queues.config", `
		model { name: "slow" dynamic_batching { priority_levels: 2 priority_queue_policy { key: 2 value { max_queue_size: 8 } } } }`)
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--queue_policies_file="+file,
		"--max_batch_size=1", "--instances=1", "--rest_api_timeout_in_ms=300000")
	url := s.url + "/v1/models/slow:predict"
	ask := func(level string) (int, string) {
		req, err := http.NewRequest("POST", url, strings.NewReader(`{"instances":[1.0]}`))
		if err != nil {
			t.Fatal(err)
		}
		if level != "" {
			req.Header.Set("Shoal-Priority", level)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, string(body)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var rejected, answered atomic.Int64
	full := make(chan struct{})
	var low, high sync.WaitGroup
	for range 32 {
		low.Go(func() {
			for ctx.Err() == nil {
				switch code, body := ask(""); {
				case code == 200:
					answered.Add(1)
				case code != 503 || !strings.Contains(body, "priority level 2"):
					t.Errorf("%d %s", code, body)
					return
				case rejected.Add(1) == 1:
					close(full)
				}
			}
		})
	}
	<-full
	for range 2 {
		high.Go(func() {
			for range 10 {
				if code, body := ask("1"); code != 200 {
					t.Errorf("%d %s", code, body)
				}
			}
		})
		conn := s.dial()
		high.Go(func() {
			for range 10 {
				if _, _, err := predictRPC(metadata.AppendToOutgoingContext(t.Context(), "shoal-priority", "1"), conn, "slow", 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	high.Wait()
	stop()
	low.Wait()
	if answered.Load() == 0 {
		t.Error("no request of the low level was answered")
	}
	if code, body := ask("first"); code != 400 || !strings.Contains(body, `Shoal-Priority: \"first\" is no level of priority`) {
		t.Errorf("%d %s", code, body)
	}
	if _, _, err := predictRPC(metadata.AppendToOutgoingContext(t.Context(), "shoal-priority", "-1"), s.dial(), "slow", 1); status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
}
