package telemetry

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// TestDocs keeps docs/metrics.md what the code says. After a change: go test ./telemetry -run TestDocs -update
func TestDocs(t *testing.T) {
	const file = "../docs/metrics.md"
	want := document()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says; write it with: go test ./telemetry -run TestDocs -update", file)
	}
}

func document() string {
	var b strings.Builder
	b.WriteString(`# Metrics

This page is generated from the code.

| page | what is on it |
|---|---|
| ` + "`/metrics`" + ` | Shoal's own metrics, those of Go's runtime (` + "`go_…`" + `) and of the process (` + "`process_…`" + `), for Prometheus; with exemplars for those who ask for OpenMetrics |
| the path that ` + "`--monitoring_config_file`" + ` says, else ` + "`/monitoring/prometheus/metrics`" + `, where it enables it | TensorFlow Serving's metrics by their own names, and all of the above |

Both are on the REST port, or on ` + "`--admin_port`" + `.

Shoal's own metrics are also sent to an OpenTelemetry collector if ` + "`OTEL_EXPORTER_OTLP_ENDPOINT`" + ` or
` + "`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`" + ` names one, under the names in the second column. OpenTelemetry's other
variables work too: the protocol (` + "`http/protobuf`" + `, the default, or ` + "`grpc`" + `), headers, certificates,
` + "`OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_SERVICE_NAME`, `OTEL_SDK_DISABLED`" + ` and so on.

Labels have few values. A model that is not configured is ` + "`model=\"\"`" + `, whatever a client calls it. A
request that no version answered has ` + "`version=\"\"`" + `. The series of a version end when it is unloaded and the
next version of its model too. The series of a model that is no longer configured end five minutes after its
last version was found unloaded. A series appears when it has something to count.

## Shoal's own

| Prometheus | OpenTelemetry | type | unit | labels | meaning |
|---|---|---|---|---|---|
`)
	for _, m := range OwnMetrics() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", m.prometheusName(), m.Name, m.Kind, strings.Trim(m.Unit, "{}"), labelList(&m), m.Help)
	}
	b.WriteString(`
## TensorFlow Serving's

Requests count as they do there: by gRPC only Predict, Classify and Regress, by REST everything under
` + "`/v1/`" + `, and latencies only of requests that succeeded. ` + "`us`" + ` are microseconds.

| Prometheus | type | unit | labels | meaning |
|---|---|---|---|---|
`)
	for _, m := range TFServingMetrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, m.Unit, labelList(&m), m.Help)
	}
	b.WriteString(`
## Triton's

With ` + "`--triton_metrics`" + ` these are on both pages, for dashboards that are made for Triton. They count the
requests of all APIs, of each version from the moment that it is available.

| Prometheus | type | unit | labels | meaning |
|---|---|---|---|---|
`)
	for _, m := range TritonMetrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, m.Unit, labelList(&m), m.Help)
	}
	return b.String()
}

func labelList(m *Metric) string {
	if len(m.Labels) == 0 {
		return ""
	}
	return "`" + strings.Join(m.Labels, "`, `") + "`"
}
