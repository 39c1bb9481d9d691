package telemetry

import (
	"strings"
	"testing"

	"shoal/telemetry/otlptest"
)

// send points the OTEL_* variables at a new collector.
func send(t testing.TB, protocol string) *otlptest.Collector {
	t.Helper()
	c := otlptest.New(t)
	for name, value := range c.Environment(protocol) {
		t.Setenv(name, value)
	}
	return c
}

func TestMetricsArePushed(t *testing.T) {
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			c := send(t, protocol)
			tel, err := New(t.Context(), Options{Version: "1.2.3"})
			if err != nil {
				t.Fatal(err)
			}
			exercise(tel)
			if err := tel.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			names := make(map[string]bool)
			for _, m := range c.Metrics() {
				names[m.GetName()] = true
				if m.GetName() == "shoal.request.duration" && m.GetHistogram().GetDataPoints()[0].GetCount() == 0 {
					t.Error("an empty histogram")
				}
			}
			for _, want := range []string{"shoal.requests", "shoal.request.duration", "shoal.batches", "shoal.build.info", "go.goroutine.count"} {
				if !names[want] {
					t.Errorf("%s was not received", want)
				}
			}
			if !c.Service("shoal") {
				t.Error("not sent as shoal")
			}
		})
	}
}

// TestOffByDefault: without an endpoint nothing is set up and nothing is sent.
func TestOffByDefault(t *testing.T) {
	for name, env := range map[string][2]string{
		"no endpoint": {"OTEL_EXPORTER_OTLP_ENDPOINT", ""},
		"disabled":    {"OTEL_SDK_DISABLED", "true"},
		"no exporter": {"OTEL_TRACES_EXPORTER", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv("OTEL_METRICS_EXPORTER", "none")
			t.Setenv(env[0], env[1])
			tel := newTelemetry(t)
			if tel.Tracing() || tel.push != nil || tel.ShowsRequests() {
				t.Error("there is a tracer")
			}
		})
	}
}

func TestProtocolIsChecked(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "smoke")
			if name == "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" {
				t.Setenv("OTEL_METRICS_EXPORTER", "none")
			}
			if _, err := New(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v does not name the variable", err)
			}
		})
	}
}

func TestExporterByNameIsEnough(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp") // to the endpoint that OpenTelemetry has by default
	if tel := newTelemetry(t); !tel.Tracing() {
		t.Error("OTEL_TRACES_EXPORTER=otlp does not set tracing up")
	}
}
