package telemetry

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// TestTFServingPage checks series and values as TensorFlow Serving's dashboards ask for them.
func TestTFServingPage(t *testing.T) {
	tel := newTelemetry(t)
	exercise(tel)
	page := families(t, tel)
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"request_count", []string{"model_name", "m", "status", "OK"}, 4}, // neither metadata by gRPC, nor an unknown model, nor another protocol
		{"request_count", []string{"model_name", "m", "status", "INVALID_ARGUMENT"}, 1},
		{"request_latency", []string{"model_name", "m", "API", "predict", "entrypoint", "REST"}, 1},
		{"request_latency", []string{"model_name", "m", "API", "classify", "entrypoint", "REST"}, 1},
		{"request_latency", []string{"model_name", "m", "API", "", "entrypoint", "REST"}, 1},
		{"request_latency", []string{"model_name", "m", "API", "Predict", "entrypoint", "GRPC"}, 1},
		{"runtime_latency", []string{"model_name", "m", "API", "Predict", "runtime", "TF1"}, 1},
		{"request_example_counts", []string{"model", "m"}, 1},
		{"request_example_count_total", []string{"model", "m"}, 3},
		{"batching_session:queuing_latency", []string{"thread_pool_name", "model_server_batch_threads"}, 1},
		{"batching_session:input_batch_size", nil, 2},
		{"batching_session:processed_batch_size", nil, float64(len(reasons))},
		{"batching_session:padding_size", []string{"execution_batch_size", "8"}, float64(len(reasons))},
		{"batching_session:wrapped_run_count", nil, float64(len(reasons))},
		{"model_warmup_latency", []string{"model_path", "/models/m/2", "status", "OK"}, 1},
		{"model_warmup_records_read", []string{"model_path", "/models/m/2", "status", "OK"}, 3},
	} {
		got, ok := value(page[":tensorflow:serving:"+c.name], c.labels...)
		if !ok || got != c.want {
			t.Errorf("%s%q is %v (%v), want %v", c.name, c.labels, got, ok, c.want)
		}
	}
	for name, want := range map[string]float64{
		"graph_build_calls": 1, "graph_build_time_usecs": 1.5e6, "graph_runs": float64(len(reasons) + 1), "graph_run_time_usecs": 4000 * float64(len(reasons)),
	} {
		if got, ok := value(page[":tensorflow:core:"+name]); !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, ok, want)
		}
	}
	load := ":tensorflow:cc:saved_model:load_"
	if got, _ := value(page[load+"latency"], "model_path", "/models/m/2"); got != 1.5e6 {
		t.Errorf("load_latency %v µs", got)
	}
	for path, result := range map[string]string{"/models/m/2": "success", "/models/m/3": "fail"} {
		if got, _ := value(page[load+"attempt_count"], "model_path", path, "status", result); got != 1 {
			t.Errorf("load_attempt_count of %s: %v", path, got)
		}
	}
	sum := 0.0
	for _, m := range page[":tensorflow:serving:runtime_latency"].GetMetric() {
		sum += m.GetHistogram().GetSampleSum()
	}
	if sum != 7000+1000 {
		t.Errorf("runtime_latency is %v µs, want the queue and the run", sum)
	}
}

// TestTFServingBuckets compares the limits with those that TensorFlow Serving prints.
func TestTFServingBuckets(t *testing.T) {
	tel := newTelemetry(t)
	exercise(tel)
	_, _, body := tfPage(t, tel, "/monitoring/prometheus/metrics")
	limits := func(series string) (le []string) {
		for line := range strings.Lines(body) {
			if rest, ok := strings.CutPrefix(line, series); ok {
				_, rest, _ = strings.Cut(rest, `le="`)
				rest, _, _ = strings.Cut(rest, `"`)
				le = append(le, rest)
			}
		}
		return le
	}
	latency := limits(`:tensorflow:serving:request_latency_bucket{API="predict",`)
	want := []string{"10", "18", "32.4", "58.32", "104.976", "188.957", "340.122", "612.22", "1102", "1983.59", "3570.47"}
	if len(latency) != 34 || !slices.Equal(latency[:11], want) || latency[32] != "1.47476e+09" || latency[33] != "+Inf" {
		t.Errorf("request_latency: %q", latency)
	}
	queuing := limits(`:tensorflow:serving:batching_session:queuing_latency_bucket{`)
	if len(queuing) != 53 || queuing[1] != "120" || queuing[51] != "1.09205e+06" {
		t.Errorf("queuing_latency: %q", queuing)
	}
	sizes := limits(`:tensorflow:serving:batching_session:processed_batch_size_bucket{`)
	if len(sizes) != 15 || sizes[0] != "1" || sizes[13] != "8192" {
		t.Errorf("processed_batch_size: %q", sizes)
	}
}

func TestTFServingPageRefusesAQuery(t *testing.T) {
	tel := newTelemetry(t)
	path := "/monitoring/prometheus/metrics"
	code, contentType, body := tfPage(t, tel, path+"?x=1")
	if code != 400 || contentType != "text/plain" || body != "Unexpected path: "+path+"?x=1. Should be "+path {
		t.Errorf("%d %s %s", code, contentType, body)
	}
	if code, contentType, _ = tfPage(t, tel, path); code != 200 || contentType != "text/plain" {
		t.Errorf("%d %s", code, contentType)
	}
}

// TestUnknownModelsMakeNoSeries asks for many models that are not there.
func TestUnknownModelsMakeNoSeries(t *testing.T) {
	tel := newTelemetry(t)
	live(tel, "m", 1)
	notFound := status.Error(codes.NotFound, "x")
	for _, name := range []string{"a", "b", "c", "m"} {
		tel.Done(&serving.Call{API: serving.REST, Method: "Predict", Model: name, Version: serving.NoVersion, Err: notFound, Duration: time.Millisecond})
		tel.Done(&serving.Call{API: serving.REST, Method: "GetModelStatus", Model: name, Version: serving.NoVersion, Err: notFound, Duration: time.Millisecond})
		tel.Done(&serving.Call{API: serving.GRPC, Method: "Predict", Model: name, Err: notFound, Duration: time.Millisecond})
	}
	page := families(t, tel)
	for name, want := range map[string]float64{"": 9, "m": 3} {
		if got, _ := value(page[":tensorflow:serving:request_count"], "model_name", name, "status", "NOT_FOUND"); got != want {
			t.Errorf("%v requests counted for %q, want %v", got, name, want)
		}
	}
	if n := len(page[":tensorflow:serving:request_count"].GetMetric()); n != 2 {
		t.Errorf("%d series of request_count", n)
	}
	if n := len(page["shoal_requests_total"].GetMetric()); n != 6 { // of "" and m: three methods each
		t.Errorf("%d series of shoal_requests_total", n)
	}
	for _, m := range page["shoal_requests_total"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "model" && l.GetValue() != "" && l.GetValue() != "m" {
				t.Errorf("a series for model %q", l.GetValue())
			}
		}
	}
}

func TestCounter(t *testing.T) {
	tel := newTelemetry(t)
	exercise(tel)
	for name, want := range map[string]int64{
		"/tensorflow/serving/request_count":                      5,
		"/tensorflow/serving/batching_session/wrapped_run_count": int64(len(reasons)),
		"/tensorflow/serving/request_latency":                    0, // no counter
		"/tensorflow/serving/nonsense":                           0,
		"/tensorflow/cc/saved_model/load_attempt_count":          2,
		"/tensorflow/core/graph_runs":                            int64(len(reasons) + 1),
	} {
		if got := tel.Counter(name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func TestCodeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want codes.Code
	}{
		{nil, codes.OK},
		{t.Context().Err(), codes.OK},
		{errors.New("plain"), codes.Unknown},
		{status.Error(codes.Code(99), "no such code"), codes.Unknown},
		{status.Error(codes.Unauthenticated, "x"), codes.Unauthenticated},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

func TestExponential(t *testing.T) {
	limits := exponential(10, 1.8, 33)
	for i, limit := range limits {
		if exact := 10 * math.Pow(1.8, float64(i)); math.Abs(limit-exact) > exact*1e-5 {
			t.Errorf("limit %d is %v, far from %v", i, limit, exact)
		}
	}
}
