package telemetry

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"shoal/batcher"
	"shoal/serving"
	"shoal/tensor"
)

// produced are the metrics as OpenTelemetry gets them, by name.
func produced(t *testing.T, tel *Telemetry) map[string]metricdata.Metrics {
	t.Helper()
	scopes, err := producer{tel}.Produce(t.Context())
	if err != nil || len(scopes) != 1 {
		t.Fatal(scopes, err)
	}
	all := make(map[string]metricdata.Metrics)
	for _, m := range scopes[0].Metrics {
		all[m.Name] = m
	}
	return all
}

// TestEveryMetricIsAsListed: what is on the pages and what is documented are the same, names, kinds and labels.
func TestEveryMetricIsAsListed(t *testing.T) {
	tel := newTelemetry(t)
	core := newCore()
	tel.Watch(core)
	tel.WatchBudget(tensor.NewBudget(1))
	exercise(tel)
	page := families(t, tel)
	listed := make(map[string]Metric)
	for _, m := range slices.Concat(OwnMetrics(), TFServingMetrics()) {
		listed[m.prometheusName()] = m
	}
	for name, f := range page {
		m, ok := listed[name]
		if !ok {
			if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
				t.Errorf("%s is on the page, but is not listed", name)
			}
			continue
		}
		delete(listed, name)
		if got := strings.ToLower(f.GetType().String()); got != string(m.Kind) {
			t.Errorf("%s is a %s, listed as %s", name, got, m.Kind)
		}
		for _, series := range f.GetMetric() {
			var labels []string
			for _, l := range series.GetLabel() {
				labels = append(labels, l.GetName())
			}
			if want := slices.Sorted(slices.Values(m.Labels)); !slices.Equal(slices.Sorted(slices.Values(labels)), want) {
				t.Errorf("%s has the labels %v, listed with %v", name, labels, want)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("%s is listed, but is not on the page", name)
	}
	if core.Pinned() != 0 {
		t.Errorf("%d handles were not released", core.Pinned())
	}
}

func TestOwnMetrics(t *testing.T) {
	tel := newTelemetry(t)
	tel.Watch(newCore())
	exercise(tel)
	page := families(t, tel)
	version, batch := []string{"model", "m", "version", "2"}, []string{"model", "m", "version", "2", "signature", "serving_default"}
	call := append(slices.Clone(batch), "api", "REST", "method", "Predict")
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"shoal_requests_total", append(slices.Clone(call), "code", "OK"), 1},
		{"shoal_requests_total", append(slices.Clone(call), "code", "INVALID_ARGUMENT"), 1},
		{"shoal_request_duration_seconds", call, 2},
		{"shoal_request_decode_duration_seconds", call, 2},
		{"shoal_request_queue_duration_seconds", batch, 1}, // not the one that failed
		{"shoal_batches_total", append(slices.Clone(batch), "reason", "unbatched"), 2},
		{"shoal_batches_total", append(slices.Clone(batch), "reason", "full"), 1},
		{"shoal_batch_failures_total", batch, 1},
		{"shoal_batch_padding_total", batch, 2 * float64(len(reasons)-1)},
		{"shoal_requests_rejected_total", append(slices.Clone(batch), "reason", "queue_full"), 1},
		{"shoal_requests_rejected_total", append(slices.Clone(batch), "reason", "too_large"), 1},
		{"shoal_requests_rejected_total", append(slices.Clone(batch), "reason", "deadline"), 1},
		{"shoal_queue_requests", version, 3},
		{"shoal_queue_rows", version, 5},
		{"shoal_queue_oldest_seconds", version, 0.25},
		{"shoal_instances_busy", version, 1},
		{"shoal_model_memory_bytes", version, 3e6},
		{"shoal_model_weights_bytes", version, 1e6},
		{"shoal_model_max_batch_size", append(slices.Clone(version), "from", "measured"), 64},
		{"shoal_model_load_phase_duration_seconds", append(slices.Clone(version), "phase", "session"), 1.5},
		{"shoal_model_fallback", version, 1},
		{"shoal_signature_batched", append(slices.Clone(version), "signature", "serving_default"), 1},
		{"shoal_model_versions", []string{"model", "m", "state", "AVAILABLE"}, 1},
		{"shoal_model_versions", []string{"model", "m", "state", "LOADING"}, 0},
		{"shoal_model_loads_total", []string{"model", "m", "result", "ok"}, 2},
		{"shoal_model_loads_total", []string{"model", "m", "result", "error"}, 1},
		{"shoal_model_unloads_total", []string{"model", "m"}, 1},
		{"shoal_ready", nil, 1},
	} {
		if got, ok := value(page[c.name], c.labels...); !ok || got != c.want {
			t.Errorf("%s%q is %v (%v), want %v", c.name, c.labels, got, ok, c.want)
		}
	}
	if sum := page["shoal_batch_rows"].GetMetric()[0].GetHistogram().GetSampleSum(); sum != 6*float64(len(reasons)-1)+1 /* comparisons are no batches of requests */ {
		t.Errorf("%v rows in batches", sum)
	}
}

// TestSeriesOfAVersionEndWithIt lets versions come and go for long: what is kept does not grow.
func TestSeriesOfAVersionEndWithIt(t *testing.T) {
	tel := newTelemetry(t)
	use := func(v int64) {
		tel.Done(predict("m", v, nil))
		tel.BatchObserver("m", v).EntryDone(batcher.EntryInfo{Signature: sig, Rows: 1})
		tel.SavedModelLoaded("m", v, "/models/m/"+versionLabel(v), time.Second, nil)
		tel.WarmedUp("m", v, "/models/m/"+versionLabel(v), 1, time.Second, nil)
	}
	for v := int64(0); v < 100; v++ {
		live(tel, "m", v)
		use(v)
		if v > 0 {
			over(tel, "m", v-1)
			use(v - 1) // the last requests may be counted after the end
		}
	}
	if r, b, l, w := len(tel.requests.all()), len(tel.batches.all()), len(tel.tf.loads.all()), len(tel.tf.warmups.all()); r != 2 || b != 2 || l != 2 || w != 2 {
		t.Errorf("%d, %d, %d and %d series are kept; there are one version and the one before it", r, b, l, w)
	}
	tel.Done(predict("m", 3, nil)) // long over
	if tel.requests.find(key{"m", serving.NoVersion, "serving_default", serving.REST, "Predict"}) == nil {
		t.Error("a request of a forgotten version must count for its model")
	}
}

// TestAVersionThatMovesKeepsItsSeries: while a version's directory moves there are two of its number.
func TestAVersionThatMovesKeepsItsSeries(t *testing.T) {
	tel := newTelemetry(t)
	live(tel, "m", 1)
	live(tel, "m", 1)
	over(tel, "m", 1)
	tel.Done(predict("m", 1, nil))
	live(tel, "m", 2)
	over(tel, "m", 2)
	if tel.requests.find(key{"m", 1, "serving_default", serving.REST, "Predict"}) == nil {
		t.Error("the series of a version that is still there are gone")
	}
}

// TestExemplars: a traced request leaves its trace's id in the buckets, which those see who ask for OpenMetrics.
func TestExemplars(t *testing.T) {
	tel := newTelemetry(t)
	live(tel, "m", 1)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xab}, SpanID: trace.SpanID{0xcd}, TraceFlags: trace.FlagsSampled})
	call := predict("m", 1, nil)
	call.Context = trace.ContextWithSpanContext(context.Background(), span)
	tel.Done(call)
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Result().Body)
	if want := `trace_id="` + span.TraceID().String() + `"`; !strings.Contains(string(body), want) {
		t.Errorf("no %s on\n%s", want, body)
	}
}

// TestCountingAllocatesNothing is the price of a request: none of it is memory.
func TestCountingAllocatesNothing(t *testing.T) {
	tel := newTelemetry(t)
	live(tel, "m", 1)
	call, o := predict("m", 1, nil), tel.BatchObserver("m", 1)
	n := testing.AllocsPerRun(100, func() {
		tel.Done(call)
		o.EntryDone(batcher.EntryInfo{Signature: sig, Rows: 1})
		o.BatchDone(batcher.BatchInfo{Signature: sig, Reason: batcher.ReasonIdle, Entries: 1, Rows: 1, Size: 1})
	})
	if n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

// TestNothingIsLost counts from many goroutines, while pages are read.
func TestNothingIsLost(t *testing.T) {
	tel := newTelemetry(t)
	live(tel, "m", 1)
	const workers, each = 8, 500
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				tel.Done(&serving.Call{API: serving.REST, Method: "Predict", Model: "m", Version: 1, Duration: time.Millisecond})
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			produced(t, tel)
		}
	})
	wg.Wait()
	h := produced(t, tel)["shoal.request.duration"].Data.(metricdata.Histogram[float64]).DataPoints
	if len(h) != 1 || h[0].Count != workers*each || h[0].Sum < 3.999 || h[0].Sum > 4.001 {
		t.Errorf("%+v", h)
	}
}
