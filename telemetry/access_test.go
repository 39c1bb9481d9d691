package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
)

// lines reads what a JSON handler wrote.
func lines(t *testing.T, log io.Reader) (all []map[string]any) {
	t.Helper()
	for d := json.NewDecoder(log); ; {
		line := make(map[string]any)
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
}

// TestAccessLog: every request of either API has one line, with what a server is asked about afterwards.
func TestAccessLog(t *testing.T) {
	send(t, protocolGRPC)
	var log bytes.Buffer
	s := newStack(t, Options{AccessLogRatio: 1, Logger: slog.New(slog.NewJSONHandler(&log, nil))}, batcher.Config{}, new(echo))
	const body = `{"instances": [1, 2, 3]}`
	s.predict(body, "X-Request-Id", "a", "traceparent", sampled)
	s.predict(`{"instances": [}`, "X-Request-Id", "b")
	if _, err := s.call("x-request-id", "c"); err != nil {
		t.Error(err)
	}
	_, header := s.predict(body)
	s.stop()

	byID := make(map[any]map[string]any)
	for _, line := range lines(t, &log) {
		if line["msg"] == "request" {
			byID[line["request_id"]] = line
		}
	}
	if len(byID) != 4 || byID[header.Get("X-Request-Id")] == nil {
		t.Fatalf("%d lines of 4 requests: %v", len(byID), byID)
	}
	for id, want := range map[string]map[string]any{
		"a": {"level": "INFO", "api": "REST", "method": "Predict", "verb": "POST", "path": "/v1/models/m:predict", "model": "m", "version": 1.,
			"signature": "serving_default", "status": 200., "code": "OK", "rows": 3., "batch_rows": 3., "bytes_in": float64(len(body)), "trace_id": clientTrace},
		"b": {"api": "REST", "method": "Predict", "status": 400., "code": "INVALID_ARGUMENT", "model": "m"},
		"c": {"api": "gRPC", "method": "Predict", "code": "OK", "model": "m", "version": 1., "rows": 2., "batch_rows": 2.},
	} {
		for key, value := range want {
			if got := byID[id][key]; got != value {
				t.Errorf("%s of %s is %v, want %v", key, id, got, value)
			}
		}
		for _, key := range []string{"ms", "bytes_out", "queue_ms", "run_ms", "bytes_in"} {
			if n, ok := byID[id][key].(float64); id != "b" && (!ok || n <= 0 && !strings.HasSuffix(key, "ms")) {
				t.Errorf("%s of %s is %v", key, id, byID[id][key])
			}
		}
	}
	if failure, _ := byID["b"]["error"].(string); failure == "" {
		t.Errorf("a failure without its reason: %v", byID["b"])
	}
	if id, _ := byID["c"]["trace_id"].(string); len(id) != 32 {
		t.Errorf("trace %q", id)
	}
}

// TestAccessLogIsSampled has half of many requests logged.
func TestAccessLogIsSampled(t *testing.T) {
	var log bytes.Buffer
	tel, err := New(t.Context(), Options{AccessLogRatio: 0.5, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		tel.Done(&serving.Call{API: serving.GRPC, Method: "Predict", Model: strings.Repeat("long", 1000), Version: serving.NoVersion, Err: status.Error(codes.NotFound, "none")})
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "msg=request"); n < 350 || n > 650 { // ten standard deviations
		t.Errorf("%d lines of 1000 requests", n)
	}
	for line := range strings.Lines(log.String()) {
		if len(line) > 1000 {
			t.Fatalf("a client made a line of %d bytes", len(line))
		}
	}
}

// TestExemplarsOfBatches: the histograms of waits and runs lead to traces as well.
func TestExemplarsOfBatches(t *testing.T) {
	send(t, protocolGRPC)
	s := newStack(t, Options{}, batcher.Config{}, new(echo))
	s.predict(`{"instances": [1]}`, "traceparent", sampled)
	s.http.CloseIdleConnections()
	want := map[string]bool{"shoal.request.duration": true, "shoal.request.decode.duration": true, "shoal.request.queue.duration": true,
		"shoal.request.run.duration": true, "shoal.request.encode.duration": true, "shoal.batch.run.duration": true}
	got := make(map[string]bool)
	for sample := range s.tel.samples {
		if sample.hist == nil {
			continue
		}
		for i := range sample.hist.exemplars {
			if x := sample.hist.exemplars[i].Load(); x != nil && x.span.TraceID().String() == clientTrace {
				got[sample.metric.Name] = true
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("exemplars in %v, want them in %v", got, want)
	}
}
