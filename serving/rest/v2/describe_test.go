package v2_test

import (
	"log/slog"
	"testing"

	"shoal/serving/access"
	"shoal/serving/rest"
	"shoal/serving/rest/v2"
)

func TestDescriptions(t *testing.T) {
	core := newCore()
	c := newClient(t, core, rest.Options{})
	const x, y = `"name":"x","datatype":"FP32","shape":[-1,-1]`, `"name":"y","datatype":"INT32","shape":[-1]`
	for path, want := range map[string]string{
		"/v2/health/live":                    `{"live":true}`,
		"/v2/health/ready":                   `{"ready":true}`,
		"/v2/models/echo/ready":              `{"name":"echo","ready":true}`,
		"/v2/models/echo/versions/1/ready":   `{"name":"echo","ready":true}`,
		"/v2/models/stats":                   "",
		"/v2/models/echo/stats":              "",
		"/v2/models/echo/versions/1/stats":   "",
		"/v2/models/echo/versions/1":         "",
		"/v2/models/echo/versions/stable":    "",
		"/v2/models/echo/config":             "",
		"/v2/models/echo/versions/2/config/": "",
	} {
		a := c.do("GET", path, "")
		if want == "" && a.status == 200 && a.body[0] == '{' {
			continue
		}
		a.want(t, 200, want)
	}
	if a := c.do("GET", "/v2", ""); a.status != 200 || a.body[:35] != `{"name":"shoal","version":"1.2.3","` {
		t.Errorf("/v2: %d %s", a.status, a.body)
	}
	wide := `{"name":"echo","versions":["1","2"],"platform":"tensorflow_savedmodel",` +
		`"inputs":[{"name":"a","datatype":"FP32","shape":[-1,-1]},{"name":"b","datatype":"INT32","shape":[-1]}],"outputs":[{` + x + `},{` + y + `}],"properties":`
	if a := c.do("GET", "/v2/models/echo", ""); a.status != 200 || a.body[:len(wide)] != wide {
		t.Errorf("/v2/models/echo: %d %s", a.status, a.body)
	}
	c.do("POST", "/v2/repository/index", "").want(t, 200, `[{"name":"echo","version":"1","state":"READY"},{"name":"echo","version":"2","state":"READY"},{"name":"odd","version":"1","state":"READY"}]`)
	c.do("POST", "/v2/repository/any/index", `{"ready":true}`).want(t, 200, `[{"name":"echo","version":"1","state":"READY"},{"name":"echo","version":"2","state":"READY"},{"name":"odd","version":"1","state":"READY"}]`)
	core.SetReasons("model a: loading")
	c.do("GET", "/v2/health/ready", "").want(t, 400, `{"ready":false,"reasons":["model a: loading"]}`)
}

func TestDescriptionErrors(t *testing.T) {
	c := newClient(t, newCore(), rest.Options{})
	for _, tt := range []struct {
		method, path string
		status       int
		text         string
	}{
		{"GET", "/v2/models/none", 404, "Request for unknown model: 'none' is not found"},
		{"GET", "/v2/models/none/ready", 404, "Request for unknown model: 'none' is not found"},
		{"GET", "/v2/models/echo/versions/9/stats", 404, "Request for unknown model: 'echo' version 9 is not found"},
		{"GET", "/v2/models/none/stats", 404, "Request for unknown model: 'none' is not found"},
		{"GET", "/v2/models/odd/ready", 400, "Model version not ready"},
		{"POST", "/v2/models/echo", 405, "Method Not Allowed"},
		{"GET", "/v2/models/echo/infer", 405, "Method Not Allowed"},
		{"PUT", "/v2/health/live", 405, "Method Not Allowed"},
		{"DELETE", "/v2/repository/index", 405, "Method Not Allowed"},
		{"GET", "/v2/", 200, ""},
		{"GET", "/v2/models", 404, "Not found: GET /v2/models"},
		{"GET", "/v2/models//infer", 404, "Not found: GET /v2/models//infer"},
		{"GET", "/v2/models/echo/versions//ready", 404, "Not found: GET /v2/models/echo/versions//ready"},
		{"GET", "/v2/systemsharedmemory/status", 404, "Not found: GET /v2/systemsharedmemory/status"},
		{"POST", "/v2/repository/models/m/load", 503, "explicit model load / unload is not allowed if polling is enabled"},
		{"POST", "/v2/repository/r/models/m/unload", 503, "explicit model load / unload is not allowed if polling is enabled"},
	} {
		a := c.do(tt.method, tt.path, "")
		if tt.text == "" && a.status == tt.status {
			continue
		}
		a.wantError(t, tt.status, tt.text)
	}
	if a := c.do("GET", "/v2/models/echo/infer", ""); string(a.header.Peek("Allow")) != "POST" {
		t.Errorf("Allow: %q", a.header.Peek("Allow"))
	}
	if a := c.do("POST", "/v2/repository/index", "{"); a.status != 400 {
		t.Errorf("a body that is no JSON: %d %s", a.status, a.body)
	}
}

func TestSettings(t *testing.T) {
	log := new(slog.LevelVar)
	c := newClient(t, newCore(), rest.Options{})
	c.do("GET", "/v2/logging", "").wantError(t, 501, "the log's settings are not served")
	c.do("GET", "/v2/trace/setting", "").want(t, 200, `{"trace_level":["OFF"],"trace_mode":["opentelemetry"]}`)
	c.do("POST", "/v2/models/echo/trace/setting", `{}`).want(t, 200, `{"trace_level":["OFF"],"trace_mode":["opentelemetry"]}`)
	if a := c.do("POST", "/v2/trace/setting", `{"trace_level":["TIMESTAMPS"]}`); a.status != 503 {
		t.Errorf("trace settings were changed: %s", a.body)
	}
	c.serve(v2.Options{Core: newCore(), Log: log})
	c.do("GET", "/v2/logging", "").want(t, 200, `{"log_file":"","log_info":true,"log_warning":true,"log_error":true,"log_verbose_level":0,"log_format":"default"}`)
	c.do("POST", "/v2/logging", `{"log_verbose_level":1}`).want(t, 200, `{"log_file":"","log_info":true,"log_warning":true,"log_error":true,"log_verbose_level":1,"log_format":"default"}`)
	if log.Level() != slog.LevelDebug {
		t.Errorf("the level is %v", log.Level())
	}
	if a := c.do("POST", "/v2/logging", `{"log_info":1}`); a.status != 400 {
		t.Errorf("%s", a.body)
	}
	c.do("POST", "/v2/logging", `{"log_info":`).wantError(t, 400, "failed to parse the request JSON buffer: Invalid value. at 12")
}

// Who may do what: a key for predictions, one for administration, and none.
func TestRoles(t *testing.T) {
	keys, err := access.NewKeys([]byte("predict 0123456789abcdef\nadmin fedcba9876543210\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, newCore(), rest.Options{Keys: keys})
	statuses := func(method, path string) (all [3]int) {
		for i, key := range []string{"", "Bearer 0123456789abcdef", "Bearer fedcba9876543210"} {
			all[i] = c.do(method, path, "", "Authorization", key).status
		}
		return all
	}
	for _, tt := range []struct {
		method, path string
		want         [3]int
	}{
		{"GET", "/v2/health/live", [3]int{200, 200, 200}}, {"GET", "/v2", [3]int{401, 200, 200}}, {"GET", "/v2/models/echo", [3]int{401, 200, 200}},
		{"POST", path, [3]int{401, 400, 400}}, {"GET", "/v2/nothing", [3]int{401, 404, 404}}, {"PUT", "/v2", [3]int{401, 405, 405}},
		{"POST", "/v2/repository/index", [3]int{401, 403, 200}}, {"GET", "/v2/trace/setting", [3]int{401, 403, 200}}, {"POST", "/v2/repository/models/m/load", [3]int{401, 403, 503}},
	} {
		if got := statuses(tt.method, tt.path); got != tt.want {
			t.Errorf("%s %s: %v, want %v", tt.method, tt.path, got, tt.want)
		}
	}
	c = newClient(t, newCore(), rest.Options{})
	c.serve(v2.Options{Core: newCore(), AdminRefused: "it is elsewhere"})
	c.do("POST", "/v2/repository/index", "").wantError(t, 403, "it is elsewhere")
}
