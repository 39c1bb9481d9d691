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
			s := startModel(t, "slow", "--instances=1")
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
	s := startModel(t, "half_plus_two")
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

// A batch over its budget leaves a trace that Go's own tool reads.
func TestSlowBatch(t *testing.T) {
	dir := t.TempDir()
	s := startModel(t, "slow", "--slow_batch_budget=1us", "--slow_batch_dir="+dir)
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
