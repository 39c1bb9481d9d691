package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"shoal/serving/rest"
)

func TestStatusListMetadata(t *testing.T) {
	s := start(t, rest.Options{})
	version := func(v int, state, code, message string) string {
		return fmt.Sprintf(`{"version": "%d", "state": %q, "status": {"error_code": %q, "error_message": %q}}`, v, state, code, message)
	}
	two, first := version(2, "AVAILABLE", "OK", ""), version(1, "AVAILABLE", "OK", "")
	failed := version(3, "END", "NOT_FOUND", `no "saved_model.pb"`)
	both := fmt.Sprintf(`{"model_version_status": [%s, %s]}`, two, first)
	for target, want := range map[string]string{
		"/v1/models/half_plus_two":             both,
		"/v1/models/half_plus_two?x=1":         both,
		"/v1/models/half_plus_two/labels/nope": both,
		"/v1/models/half_plus_two/METADATA":    both,
		"/v1/models/half_plus_two/versions/1":  fmt.Sprintf(`{"model_version_status": [%s]}`, first),
		"/v1/models/broken":                    fmt.Sprintf(`{"model_version_status": [%s]}`, failed),
		"/v1/models": fmt.Sprintf(`{"models": [
			{"name": "broken", "model_version_status": [%s], "version_labels": {}},
			{"name": "half_plus_two", "model_version_status": [%s, %s], "version_labels": {"canary": "2", "stable": "1"}}]}`, failed, two, first),
		"/v1/models/half_plus_two/labels/stable/metadata": `{"model_spec": {"name": "half_plus_two", "signature_name": "", "version": "1"},
			"metadata": {"signature_def": {"signature_def": {"serving_default": {
				"inputs": {"x": {"name": "x:0", "dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": false}}},
				"outputs": {"y": {"name": "y:0", "dtype": "DT_FLOAT", "tensor_shape": {"dim": [], "unknown_rank": true}}},
				"method_name": "tensorflow/serving/predict", "defaults": {}}}}}}`,
	} {
		t.Run(target, func(t *testing.T) { s.get(target).wantValue(t, 200, want) })
	}
	if a := s.get("/v1/models/half_plus_two/metadata"); !strings.Contains(a.body, `"version": "2"`) {
		t.Errorf("the newest version is not described: %s", a.body)
	}
}

func TestHealth(t *testing.T) {
	core := newFakeCore()
	s := start(t, rest.Options{Core: core, Version: "1.2.3"})
	s.get("/healthz").wantValue(t, 200, `{"status": "ok", "version": "1.2.3"}`)
	s.get("/readyz").wantValue(t, 200, `{"ready": true}`)
	core.SetWarnings("model a: a run is overdue")
	s.get("/readyz").wantValue(t, 200, `{"ready": true, "warnings": ["model a: a run is overdue"]}`)
	core.SetWarnings()
	if a := s.do("HEAD", "/readyz", ""); a.status != 200 || a.body != "" {
		t.Errorf("HEAD /readyz: %d %q", a.status, a.body)
	}
	core.SetReasons("model a: loading", `model "b": no versions`)
	a := s.get("/readyz")
	a.wantValue(t, 503, `{"ready": false, "reasons": ["model a: loading", "model \"b\": no versions"]}`)
	if a.header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	if a := s.get("/healthz"); a.status != 200 {
		t.Errorf("/healthz while not ready: %d", a.status)
	}
}

func TestRawPath(t *testing.T) {
	for uri, want := range map[string]string{
		"/v1/models/m":                "/v1/models/m",
		"/v1/models/m?x=1":            "/v1/models/m",
		"/v1/models/m#f?x":            "/v1/models/m",
		"/v1//models/../m%2F":         "/v1//models/../m%2F",
		"http://host:80/v1/models/m?": "/v1/models/m",
		"http://host":                 "",
		"http://host?q=/v1/":          "",
		"*":                           "*",
		"":                            "",
	} {
		if got := string(rest.RawPath([]byte(uri))); got != want {
			t.Errorf("rawPath(%q) = %q, want %q", uri, got, want)
		}
	}
}
