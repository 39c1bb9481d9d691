package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"shoal/loadtest/load"
	"shoal/loadtest/scenario"
)

func summary(rate float64) *load.Summary {
	p := load.Percentiles{Mean: 1, P50: 0.9, P90: 2, P99: 5, P999: 9, Max: 12}
	return &load.Summary{OfferedRate: rate, Clients: 8, Seconds: 4, Throughput: rate - 1, Sent: 4000, Good: 3990, Refused: 10, Codes: map[string]uint64{"503": 10},
		Latency: p, Lateness: load.Percentiles{P99: 0.1}, CDF: []load.Point{{Q: 0, MS: 0.5}, {Q: 0.5, MS: 0.9}, {Q: 1, MS: 12}},
		OverTime: []load.Interval{{At: 1, Throughput: rate, P50: 1, P90: 2, P99: 5}},
		Server:   &load.ServerSummary{Told: 3990, Batch: 4.5, Batches: []load.BatchSize{{Size: 1, Count: 100}, {Size: 8, Count: 3890}}, Queue: p}}
}

func document() *Document {
	return &Document{
		Title: "A </script> test", Tool: "shoal bench test", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: "9s", Seed: 7,
		Command: []string{"shoal", "bench", "--seed=7"}, Load: "open loop", Machine: Machine{CPU: "a processor", Cores: 2},
		Targets: []Target{{Address: "127.0.0.1:8501", API: "rest", Model: "mlp", Bodies: 3, BodyBytes: 1200, Instances: 1}},
		Runs:    []Run{{Name: "The run", Summary: summary(1000)}},
	}
}

// TestHTML: the page has all in it, its data can be read back, and nothing in a name can end the script.
func TestHTML(t *testing.T) {
	d := document()
	d.Search = &scenario.Search{ObjectiveMS: 20, Quantile: 0.99, Rate: 1000, Summary: summary(1000), Trials: []*scenario.Trial{{Rate: 1000, Met: true, Queries: 6100, Missed: 6}}}
	d.Curve = []scenario.Step{{Share: 0.1, Rate: 100, Summary: summary(100)}}
	a := &scenario.Averages{Throughput: 10}
	d.Compare = &scenario.Comparison{A: "x", B: "y", Rounds: []scenario.Round{{A: summary(1), B: summary(2)}}, Averages: [2]*scenario.Averages{a, a}}
	var b strings.Builder
	if err := d.RenderHTML(&b); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	var charts []string
	for _, m := range regexp.MustCompile(`data-chart="(\w+)"`).FindAllStringSubmatch(html, -1) {
		charts = append(charts, m[1])
	}
	if want := []string{"rounds", "curve", "cdf", "time", "batches", "stages"}; !slices.Equal(charts, want) {
		t.Errorf("charts %v, want %v", charts, want)
	}
	for _, want := range []string{"<noscript>", "prefers-color-scheme: dark", "@media print", "The MIT License", "a processor", "seed 7", "shoal bench --seed=7", "code 503: 10", "uPlot="} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, foreign := range regexp.MustCompile(`(?:src|href)="[^"]*"`).FindAllString(html, -1) {
		t.Errorf("the page needs something else: %s", foreign)
	}
	if n := strings.Count(html, "</script>"); n != 4 {
		t.Errorf("%d scripts end, of 4", n)
	}
	_, data, _ := strings.Cut(html, `id="data">`)
	data, _, _ = strings.Cut(data, "</script>")
	var back Document
	if err := json.Unmarshal([]byte(data), &back); err != nil || back.Title != d.Title || len(back.Runs) != 1 || back.Search.Rate != 1000 {
		t.Errorf("%v: %+v", err, back)
	}
}

// TestTable: faults stand out, and a void run says so.
func TestTable(t *testing.T) {
	d := document()
	d.Runs[0].Summary.Void = "the generator itself was late"
	var b strings.Builder
	if err := d.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"999 requests/s of 1,000 offered", "NOT good: 10 refused (code 503: 10)", "VOID: the generator", "mean batch 4.5 rows", "p99.9", "1.2 kB", "seed 7"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if d.Void() == "" {
		t.Error("the document does not know that it is void")
	}
}

func TestFiles(t *testing.T) {
	d, dir := document(), t.TempDir()
	if err := d.WriteJSON(filepath.Join(dir, "r.json")); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteHTML(filepath.Join(dir, "r.html")); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "r.json"))
	var back map[string]any
	if err != nil || json.Unmarshal(raw, &back) != nil || back["seed"] != 7.0 {
		t.Errorf("%v %v", err, back)
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1.5: "1.5", 99.999: "100", 1234.4: "1,234", 1234567: "1,234,567", 100: "100"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
