package docker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// TestExpressions has Prometheus' own parser read every expression of the dashboard and the alerts, and holds them against the
// list of metrics: a panel of a metric or a label that was renamed is empty, and an alert on it never fires, without anybody
// noticing.
func TestExpressions(t *testing.T) {
	known := metricLabels(t)
	for _, file := range []struct {
		name  string
		exprs []string
	}{{"dashboard", dashboardExpressions(t)}, {"alerts", alertExpressions(t)}} {
		if len(file.exprs) == 0 {
			t.Errorf("%s has no expressions", file.name)
		}
		for _, text := range file.exprs {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
			if err != nil {
				t.Errorf("%s: %s: %v", file.name, text, err)
				continue
			}
			checkNames(t, file.name, text, expr, known)
		}
	}
}

// everywhere are the labels that Prometheus adds, or that no list has to name.
var everywhere = []string{"instance", "job", model.MetricNameLabel}

// checkNames reports metrics and labels that do not exist.
func checkNames(t *testing.T, file, text string, expr parser.Expr, known map[string][]string) {
	t.Helper()
	var have []string // labels of the metrics used
	for _, selectors := range parser.ExtractSelectors(expr) {
		name := ""
		for _, m := range selectors {
			if m.Name == model.MetricNameLabel {
				name = m.Value
			}
		}
		own, ok := known[name]
		if !ok && name != "up" && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s: there is no metric %s, in %s", file, name, text)
		}
		for _, m := range selectors {
			if !slices.Contains(own, m.Name) && !slices.Contains(everywhere, m.Name) {
				t.Errorf("%s: %s has no label %s, in %s", file, name, m.Name, text)
			}
		}
		have = append(have, own...)
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if a, ok := node.(*parser.AggregateExpr); ok {
			for _, label := range a.Grouping {
				if !slices.Contains(have, label) && !slices.Contains(everywhere, label) {
					t.Errorf("%s: there is no label %s to group by, in %s", file, label, text)
				}
			}
		}
		return nil
	})
}

// metricLabels reads docs/metrics.md, which is made from the code: the labels of each series that Shoal has.
func metricLabels(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	known := make(map[string][]string)
	for line := range strings.Lines(string(page)) {
		columns := strings.Split(line, "|")
		if !strings.HasPrefix(line, "| `shoal_") || len(columns) < 7 {
			continue
		}
		name := strings.Trim(columns[1], " `")
		var list []string
		for _, l := range quoted.FindAllStringSubmatch(columns[5], -1) {
			list = append(list, l[1])
		}
		known[name] = list
		if strings.TrimSpace(columns[3]) == "histogram" {
			known[name+"_sum"], known[name+"_count"] = list, list
			known[name+"_bucket"] = append(slices.Clone(list), "le")
		}
	}
	if len(known) < 20 {
		t.Fatalf("docs/metrics.md lists %d metrics", len(known))
	}
	return known
}

// dashboardExpressions are those of the panels, with values for Grafana's variables.
func dashboardExpressions(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile("grafana/dashboards/shoal.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "1m", "$__interval", "15s", "$__range", "1h", "$model", ".*")
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			list = append(list, variables.Replace(target.Expr))
		}
	}
	return list
}

func alertExpressions(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile("prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct{ Rules []struct{ Expr string } }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			list = append(list, r.Expr)
		}
	}
	return list
}
