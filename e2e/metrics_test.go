package e2e

import (
	"net/http"
	"regexp"
	"strconv"
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

// gauge finds a gauge's value and labels by its model.
func gauge(f *dto.MetricFamily, model string) (value float64, labels map[string]string) {
	for _, m := range f.GetMetric() {
		labels = map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["model"] == model {
			return m.GetGauge().GetValue(), labels
		}
	}
	return 0, nil
}

// on gives the value of a metric's series for a device.
func (s *server) on(metric, device string) float64 {
	s.t.Helper()
	_, page := s.do("GET", "/metrics", "")
	found := regexp.MustCompile(`(?m)^` + metric + `\{device="` + device + `".*\} (\S+)$`).FindStringSubmatch(page)
	if found == nil {
		return 0
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// goroutines is how many the server has, by its own metrics.
func (s *server) goroutines() float64 {
	return s.page("/metrics")["go_goroutines"].GetMetric()[0].GetGauge().GetValue()
}

// Dashboards made for TensorFlow Serving find its metrics at its path, and Shoal's own are at /metrics.
func TestMonitoring(t *testing.T) {
	config := writeFile(t, t.TempDir(), "monitoring.config", `prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }`)
	s := startModel(t, "half_plus_two", "--monitoring_config_file="+config)
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

// What a load made of a model is in one line of the log and among the metrics: its largest batch and who decided it, its memory.
func TestWhatIsKnownOfALoadedModel(t *testing.T) {
	for _, c := range []struct {
		args []string
		from string
		rows float64 // 0: any
	}{
		{nil, "measured", 0},
		{[]string{"--max_batch_size=7"}, "--max_batch_size", 7},
		{[]string{"--batching_parameters_file=" + writeFile(t, t.TempDir(), "b", "max_batch_size { value: 5 }")}, "--batching_parameters_file", 5},
		{[]string{"--enable_batching=false"}, "not batched", 1},
	} {
		s := startModel(t, "mlp", c.args...)
		s.says(`msg="version available"`, "max_batch_size=", c.from, "memory=", `weights="2.4 MB"`, `nodes="48 of 118"`)
		page := s.page("/metrics")
		rows, labels := gauge(page["shoal_model_max_batch_size"], "mlp")
		if rows < 1 || c.rows > 0 && rows != c.rows || labels["from"] != c.from {
			t.Errorf("%q: the largest batch is %v by %q, want %v by %q", c.args, rows, labels["from"], c.rows, c.from)
		}
		if n, _ := gauge(page["shoal_model_weights_bytes"], "mlp"); n < 2.3e6 || n > 2.5e6 { // 597,000 floats
			t.Errorf("weights of %v bytes", n)
		}
		if n, _ := gauge(page["shoal_model_memory_bytes"], "mlp"); n < 2e6 {
			t.Errorf("memory of %v bytes, less than the weights", n)
		}
		if n, _ := gauge(page["shoal_model_fallback"], "mlp"); n != 0 {
			t.Error("the model is said to be served as it is")
		}
		s.stop()
	}
}
