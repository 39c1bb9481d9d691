package e2e

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

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
		s := start(t, append(c.args, "--model_name=mlp", "--model_base_path="+testModels(t)+"/mlp")...)
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

func TestInspectMeasures(t *testing.T) {
	out, stderr, code := shoal(t, testModels(t), "inspect", "--measure", "mlp")
	if code != 0 {
		t.Fatalf("%d %s", code, stderr)
	}
	_, table, _ := strings.Cut(out, "measured, one instance\n")
	for _, want := range []string{"as it is", "as served", "load", "1 row", "gain", "×"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
