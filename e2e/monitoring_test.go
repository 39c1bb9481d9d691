package e2e

import (
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// page reads a page of metrics with Prometheus' own parser.
func (s *server) page(path string) map[string]*dto.MetricFamily {
	s.t.Helper()
	resp, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return families
}

// sum adds up a family's counters, or counts of its histograms, over the series that have all these labels.
func sum(f *dto.MetricFamily, labels map[string]string) (total float64) {
	for _, m := range f.GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		match := true
		for k, v := range labels {
			match = match && have[k] == v
		}
		if match {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return total
}

// Dashboards made for TensorFlow Serving find its metrics at its path, and Shoal's own are at /metrics.
func TestMonitoring(t *testing.T) {
	config := writeFile(t, t.TempDir(), "monitoring.config", `prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }`)
	s := start(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two", "--monitoring_config_file="+config)
	conn := s.dial()
	for range 3 {
		s.want("POST", "/v1/models/half_plus_two:predict", `{"instances":[1.0,2.0]}`, 200, `{"predictions":[3.5,4.0]}`)
		if _, _, err := predictRPC(t.Context(), conn, "half_plus_two", 1); err != nil {
			t.Fatal(err)
		}
	}
	s.do("POST", "/v1/models/half_plus_two:predict", `{"instances":["a"]}`)
	for _, name := range []string{"a", "b", "c"} {
		s.do("POST", "/v1/models/no_such_model_"+name+":predict", `{"instances":[1]}`)
	}
	theirs := s.page("/monitoring/prometheus/metrics")
	for _, c := range []struct {
		family string
		labels map[string]string
		want   float64
	}{
		{":tensorflow:serving:request_count", map[string]string{"model_name": "half_plus_two", "status": "OK"}, 6},
		{":tensorflow:serving:request_count", map[string]string{"model_name": "half_plus_two", "status": "INVALID_ARGUMENT"}, 1},
		{":tensorflow:serving:request_latency", map[string]string{"model_name": "half_plus_two", "API": "predict", "entrypoint": "REST"}, 3},
		{":tensorflow:serving:runtime_latency", map[string]string{"model_name": "half_plus_two", "API": "Predict"}, 6},
		{":tensorflow:cc:saved_model:load_attempt_count", map[string]string{"status": "success"}, 1},
	} {
		if got := sum(theirs[c.family], c.labels); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.family, c.labels, got, c.want)
		}
	}
	// What dashboards for TensorFlow Serving divide by each other.
	for _, name := range []string{"graph_build_calls", "graph_build_time_usecs", "graph_runs", "graph_run_time_usecs"} {
		f := theirs[":tensorflow:core:"+name]
		if f.GetType() != dto.MetricType_COUNTER || sum(f, nil) <= 0 {
			t.Errorf("%s: %v", name, f)
		}
	}
	if got, runs := sum(theirs[":tensorflow:core:graph_build_calls"], nil), sum(theirs[":tensorflow:core:graph_runs"], nil); got != 1 || runs < 6 {
		t.Errorf("%v builds, %v runs", got, runs)
	}
	own := s.page("/metrics")
	if got := sum(own["shoal_batch_rows"], map[string]string{"model": "half_plus_two", "version": "2"}); got == 0 {
		t.Error("no batches are counted")
	}
	for name, family := range own {
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.HasPrefix(l.GetValue(), "no_such_model") {
					t.Errorf("%s: a client's word has become a label: %v", name, m.GetLabel())
				}
			}
		}
	}
	if resp, body := s.do("GET", "/monitoring/prometheus/metrics?x=1", ""); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
