package telemetry

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"shoal/serving/rest"
	"shoal/serving/rest/v1"
	"shoal/serving/servingtest"
)

// TestPagesOfAServer reads both pages from the REST port, after a request that they must show.
func TestPagesOfAServer(t *testing.T) {
	const path = "/monitoring/prometheus/metrics"
	tel := newTelemetry(t)
	live(tel, "m", 1)
	server := rest.New(rest.Options{
		Core:     new(servingtest.Core[fakeServable]), // without a version
		APIs:     []rest.API{v1.New(v1.Options{Core: new(servingtest.Core[fakeServable])})},
		Observer: tel,
		Paths:    map[string]fiber.Handler{"/metrics": tel.FiberHandler(), path: tel.TFServingHandler(path)},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer func() {
		client.CloseIdleConnections()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	get := func(target string) (int, string) {
		resp, err := client.Get("http://" + ln.Addr().String() + target)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if code, body := get("/v1/models/m"); code != http.StatusNotFound {
		t.Fatal(code, body)
	}
	const theirs = `:tensorflow:serving:request_count{model_name="m",status="NOT_FOUND"} 1`
	const own = `shoal_requests_total{api="REST",code="NOT_FOUND",method="GetModelStatus",model="m",signature="",version=""} 1`
	for target, lines := range map[string][]string{path: {theirs, own}, "/metrics": {own, "\ngo_goroutines ", "\nprocess_resident_memory_bytes "}} {
		code, body := get(target)
		if code != http.StatusOK {
			t.Errorf("%s: %d", target, code)
		}
		for _, line := range lines {
			if !strings.Contains(body, line) {
				t.Errorf("%s does not say %s:\n%s", target, line, body)
			}
		}
	}
	if code, body := get(path + "?x=1"); code != http.StatusBadRequest || body != "Unexpected path: "+path+"?x=1. Should be "+path {
		t.Error(code, body)
	}
}

// TestNamesPleasePrometheus runs Prometheus' own linter over Shoal's metrics.
func TestNamesPleasePrometheus(t *testing.T) {
	tel := newTelemetry(t)
	tel.Watch(newCore())
	exercise(tel)
	families, err := tel.own.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
