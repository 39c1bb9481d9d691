package e2e

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/metadata"

	"shoal/telemetry/otlptest"
)

// The trace that the clients of these tests are in, as W3C's header has it.
const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + clientTrace + "-b7ad6b7169203331-01"
)

// traceTo has servers that are started from here on send their spans to a new collector.
func traceTo(t *testing.T, protocol string) *otlptest.Collector {
	t.Helper()
	c := otlptest.New(t)
	for name, value := range c.Environment(protocol) {
		t.Setenv(name, value)
	}
	return c
}

// Requests of both APIs, all of one client's trace, are found in a collector with their phases, and with the batches they
// shared.
func TestTraces(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(strings.ReplaceAll(protocol, "/", " "), func(t *testing.T) {
			c := traceTo(t, protocol)
			s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--instances=1")
			conn := s.dial()
			var clients sync.WaitGroup
			for i := range 8 {
				clients.Go(func() {
					req, err := http.NewRequest("POST", s.url+"/v1/models/slow:predict", strings.NewReader(fmt.Sprintf(`{"instances":[%d.0]}`, i)))
					if err != nil {
						t.Error(err)
						return
					}
					req.Header.Set("traceparent", traceparent)
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					resp.Body.Close()
					if got := resp.Header.Get("traceparent"); !strings.HasPrefix(got, "00-"+clientTrace) || resp.Header.Get("X-Request-Id") == "" {
						t.Errorf("the answer says %v", resp.Header)
					}
				})
				clients.Go(func() {
					ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("traceparent", traceparent))
					if y, _, err := predictRPC(ctx, conn, "slow", float32(i)); err != nil || y != float32(i+1) {
						t.Error(y, err)
					}
				})
			}
			clients.Wait()
			if code := s.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}

			requests, batches := c.Named("Predict"), c.Named("batch")
			if len(requests) != 16 || len(batches) == 0 || len(batches) > 15 || !c.Service("shoal") {
				t.Fatalf("%d requests, %d batches", len(requests), len(batches))
			}
			inBatches := make(map[string]string) // batches of requests
			for _, b := range batches {
				a := otlptest.Attributes(b)
				if a["shoal.model"] != "slow" || a["shoal.batch.rows"] != int64(len(b.GetLinks())) || a["shoal.batch.reason"] == nil || a["shoal.device"] != "cpu:0" {
					t.Errorf("a batch with %d requests says %v", len(b.GetLinks()), a)
				}
				for _, request := range otlptest.Links(b) {
					inBatches[request] = hex.EncodeToString(b.GetSpanId())
				}
			}
			apis := make(map[any]int)
			for _, r := range requests {
				id := hex.EncodeToString(r.GetSpanId())
				if links := otlptest.Links(r); len(links) != 1 || links[0] != inBatches[id] {
					t.Errorf("a request links to %v, the batch that links to it is %s", links, inBatches[id])
				}
				if got := hex.EncodeToString(r.GetTraceId()); got != clientTrace {
					t.Errorf("a request is in the trace %s", got)
				}
				for _, phase := range []string{"decode", "queue", "run", "encode"} {
					if !slices.ContainsFunc(c.Spans(), func(p *otlptest.Span) bool {
						return p.GetName() == phase && string(p.GetParentSpanId()) == string(r.GetSpanId())
					}) {
						t.Errorf("a request without its %s", phase)
					}
				}
				apis[otlptest.Attributes(r)["shoal.api"]]++
			}
			if apis["REST"] != 8 || apis["gRPC"] != 8 {
				t.Errorf("requests by API: %v", apis)
			}
		})
	}
}

// A trace's id leads from a histogram's bucket to the trace, for those who read OpenMetrics.
func TestExemplars(t *testing.T) {
	traceTo(t, "grpc")
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")
	s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0]}`, 200, `{"predictions":[3.5]}`)
	req, err := http.NewRequest("GET", s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	page := s.send(req)
	for _, family := range []string{"shoal_request_duration_seconds", "shoal_request_decode_duration_seconds", "shoal_request_queue_duration_seconds",
		"shoal_request_run_duration_seconds", "shoal_request_encode_duration_seconds", "shoal_batch_run_duration_seconds"} {
		found := false
		for line := range strings.Lines(page) {
			found = found || strings.HasPrefix(line, family+"_bucket") && strings.Contains(line, "trace_id=")
		}
		if !found {
			t.Errorf("%s has no exemplar", family)
		}
	}
}

// send gives the body of an answer.
func (s *server) send(req *http.Request) string {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	if err := resp.Write(&body); err != nil {
		s.t.Fatal(err)
	}
	return body.String()
}

// A line a request where they are asked for, with the ids that the clients know, and none by default.
func TestAccessLog(t *testing.T) {
	for name, args := range map[string][]string{"on": {"--access_log_ratio=1"}, "off": nil} {
		t.Run(name, func(t *testing.T) {
			s := start(t, append(args, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two")...)
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

// A batch over its budget leaves a trace that Go's own tool reads.
func TestSlowBatch(t *testing.T) {
	dir := t.TempDir()
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--slow_batch_budget=1us", "--slow_batch_dir="+dir)
	s.want("POST", "/v1/models/slow:predict", `{"instances":[1.0]}`, 200, `{"predictions":[2.0]}`)
	s.eventually("the log tells of it", func() bool { return strings.Contains(s.log.String(), "slow batch: go tool trace") })
	files, err := filepath.Glob(filepath.Join(dir, "slow-batch-*.trace"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if out, err := exec.Command("go", "tool", "trace", "-d=parsed", files[0]).CombinedOutput(); err != nil || !strings.Contains(string(out), "batcher.(*worker)") {
		t.Errorf("go tool trace: %v\n%.2000s", err, out)
	}
}

// What is rejected is told by one line, not by one each.
func TestRejectionsAreLogged(t *testing.T) {
	config := writeFile(t, t.TempDir(), "batching.config", `max_batch_size { value: 1 } max_enqueued_batches { value: 1 } num_batch_threads { value: 1 }`)
	s := start(t, "--model_name=slow", "--model_base_path="+testModels(t)+"/slow", "--batching_parameters_file="+config)
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
