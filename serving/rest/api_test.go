package rest_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/rest"
	"shoal/serving/rest/v1"
)

const (
	predictURL = "/v1/models/half_plus_two:predict"
	one        = `{"instances": [1.0, 5.0]}`
)

func TestPredict(t *testing.T) {
	s := start(t, rest.Options{})
	for target, want := range map[string]string{
		predictURL:                                       `{"predictions": [3.5, 5.5]}`,
		"/V1/MODELS/half_plus_two:predict":               `{"predictions": [3.5, 5.5]}`,
		predictURL + "?x=1":                              `{"predictions": [3.5, 5.5]}`,
		predictURL + "#x":                                `{"predictions": [3.5, 5.5]}`,
		"http://elsewhere:1" + predictURL:                `{"predictions": [3.5, 5.5]}`,
		"/v1/models/half_plus_two/versions/1:predict":    `{"predictions": [2.5, 4.5]}`,
		"/v1/models/half_plus_two/versions/0002:predict": `{"predictions": [3.5, 5.5]}`,
		"/v1/models/half_plus_two/labels/stable:predict": `{"predictions": [2.5, 4.5]}`,
		"/v1/models/half_plus_two/labels/a%3Ab:predict":  `{"predictions": [2.5, 4.5]}`,
		"/v1/models/half%5Fplus_two:predict":             `{"predictions": [3.5, 5.5]}`,
		"/v1/models/a%2Fb%3Ac%20d:predict":               `{"predictions": [0.5, 2.5]}`,
	} {
		t.Run(target, func(t *testing.T) { s.post(target, one).wantValue(t, 200, want) })
	}
	s.post(predictURL, `{"inputs": [1.0]}`).wantValue(t, 200, `{"outputs": [3.5]}`)
	s.post(predictURL, `{"inputs": [1.0], "signature_name": ""}`).wantValue(t, 200, `{"outputs": [3.5]}`)
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		s.do("POST", predictURL, one, "Content-Type", contentType).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
	}
}

func TestPredictionHeaders(t *testing.T) {
	core := newFakeCore()
	core.Loaded["half_plus_two"][2].rows = 17
	s := start(t, rest.Options{Core: core})
	a := s.post(predictURL, one)
	if got := a.header.Get("Shoal-Model-Version"); got != "2" {
		t.Errorf("Shoal-Model-Version: %q", got)
	}
	if got := a.header.Get("Shoal-Batch-Size"); got != "17" {
		t.Errorf("Shoal-Batch-Size: %q", got)
	}
	timing := regexp.MustCompile(`^decode;dur=\d+\.\d{3}, queue;dur=1\.500, run;dur=0\.250, encode;dur=\d+\.\d{3}$`)
	if got := a.header.Get("Server-Timing"); !timing.MatchString(got) {
		t.Errorf("Server-Timing: %q", got)
	}
	a = s.post("/v1/models/half_plus_two/versions/1:regress", `{"signature_name": "regress", "examples": [{"x": 1.0}]}`)
	timing = regexp.MustCompile(`^decode;dur=\d+\.\d{3}, run;dur=\d+\.\d{3}, encode;dur=\d+\.\d{3}$`)
	if got := a.header.Get("Server-Timing"); !timing.MatchString(got) || a.header.Get("Shoal-Model-Version") != "1" {
		t.Errorf("regress: %v", a.header)
	}
}

func TestClassifyRegress(t *testing.T) {
	s := start(t, rest.Options{})
	examples := func(signature string) string {
		return fmt.Sprintf(`{"signature_name": %q, "examples": [{"x": 1.0}, {"x": 2.0}]}`, signature)
	}
	s.post("/v1/models/half_plus_two:classify", examples("classify")).wantValue(t, 200, `{"results": [[["", 3.5]], [["", 3.5]]]}`)
	s.post("/v1/models/half_plus_two:regress", examples("regress")).wantValue(t, 200, `{"results": [3.5, 3.5]}`)
	s.post("/v1/models/half_plus_two:regress", examples("nope")).wantError(t, 400, "No signature was found with the name: nope")
	s.post("/v1/models/nope:regress", examples("regress")).wantError(t, 404, "Servable not found for request: Latest(nope)")
	s.post("/v1/models/nope:regress", `{}`).wantError(t, 400,
		"JSON Value: {} When method is classify, key 'examples' is expected and was not found")
	s.post("/v1/models/nope:classify", "").wantError(t, 400, "JSON Parse error: The document is empty")

	core := newFakeCore()
	strict := start(t, rest.Options{Core: core, APIs: []rest.API{v1.New(v1.Options{Core: core, CheckMethodName: true})}})
	strict.post("/v1/models/half_plus_two:classify", examples("serving_default")).wantError(t, 400,
		"Expected classification signature method_name to be tensorflow/serving/classify. Was: tensorflow/serving/predict")
}

// TestErrors has the texts of TensorFlow Serving, and which of two faults is reported.
func TestErrors(t *testing.T) {
	core := newFakeCore()
	s := start(t, rest.Options{Core: core})
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		text                       string
	}{
		{"empty", "POST", predictURL, "", 400, "JSON Parse error: The document is empty"},
		{"syntax before the model", "POST", "/v1/models/nope:predict", "hello", 400, "JSON Parse error: Invalid value. at offset: 0"},
		{"unknown model", "POST", "/v1/models/nope:predict", one, 404, "Servable not found for request: Latest(nope)"},
		{"unknown version", "POST", "/v1/models/half_plus_two/versions/9:predict", one, 404, "Servable not found for request: Specific(half_plus_two, 9)"},
		{"largest version", "POST", "/v1/models/m/versions/9223372036854775807:predict", one, 404, "Servable not found for request: Specific(m, 9223372036854775807)"},
		{"unknown label", "POST", "/v1/models/nope/labels/l:predict", one, 400, "Unrecognized servable version label: l"},
		{"unknown signature", "POST", predictURL, `{"instances": [1], "signature_name": "no\"pe"}`, 400, `Serving signature name: "no"pe" not found in signature def`},
		{"model before structure", "POST", "/v1/models/nope:predict", `{"instances": 1}`, 404, "Servable not found for request: Latest(nope)"},
		{"no inputs", "POST", predictURL, `{"instances": [1], "signature_name": "no_inputs"}`, 400, "Failed to get input map for signature: no_inputs"},
		{"version word", "POST", "/v1/models/m/versions/x:predict", one, 400, "Malformed request: POST /v1/models/m/versions/x:predict"},
		{"verb in capitals", "POST", "/v1/models/m:PREDICT", one, 400, "Malformed request: POST /v1/models/m:PREDICT"},
		{"no verb", "POST", "/v1/models/m", one, 400, "Malformed request: POST /v1/models/m"},
		{"query is shown", "POST", "/v1/models/m?x=<1>", one, 400, "Malformed request: POST /v1/models/m?x=<1>"},
		{"not cleaned", "POST", "/v1//models/m:predict", one, 400, "Malformed request: POST /v1//models/m:predict"},
		{"dots", "POST", "/v1/x/../models/m:predict", one, 400, "Malformed request: POST /v1/x/../models/m:predict"},
		{"get a verb", "GET", predictURL, "", 400, "Malformed request: GET " + predictURL},
		{"put", "PUT", predictURL, one, 400, "Malformed request: PUT " + predictURL},
		{"patch", "PATCH", predictURL, one, 400, "Malformed request: PATCH " + predictURL},
		{"delete", "DELETE", "/v1/models/m", "", 400, "Malformed request: DELETE /v1/models/m"},
		{"trace", "TRACE", "/v1/models/m", "", 400, "Malformed request: TRACE /v1/models/m"},
		{"unheard of", "BREW", "/v1/models/m", "", 400, "Malformed request: BREW /v1/models/m"},
		{"trailing slash", "GET", "/v1/models/", "", 400, "Malformed request: GET /v1/models/"},
		{"root of the API", "GET", "/v1/", "", 400, "Malformed request: GET /v1/"},
		{"version without model", "GET", "/v1/models/versions/3", "", 400, "Missing model name in request."},
		{"status of no model", "GET", "/v1/models/nope", "", 404, "Could not find any versions of model nope"},
		{"status of no version", "GET", "/v1/models/half_plus_two/versions/7", "", 404, "Could not find version 7 of model half_plus_two"},
		{"metadata of no model", "GET", "/v1/models/nope/metadata", "", 404, "Servable not found for request: Latest(nope)"},
		{"metadata of no label", "GET", "/v1/models/half_plus_two/labels/nope/metadata", "", 400, "Unrecognized servable version label: nope"},
		{"metadata in capitals is status", "GET", "/v1/models/nope/METADATA", "", 404, "Could not find any versions of model nope"},
		{"elsewhere", "GET", "/", "", 404, "Not found: GET / (the API is under /v1/models)"},
		{"prefix only", "GET", "/v1", "", 404, "Not found: GET /v1 (the API is under /v1/models)"},
		{"post to health", "POST", "/healthz", "", 404, "Not found: POST /healthz (the API is under /v1/models)"},
	} {
		t.Run(c.name, func(t *testing.T) { s.do(c.method, c.target, c.body).wantError(t, c.status, c.text) })
	}
	t.Run("version overflow", func(t *testing.T) {
		for _, a := range []answer{
			s.post("/v1/models/half_plus_two/versions/99999999999999999999:predict", one),
			s.post("/v1/models/half_plus_two/versions/9223372036854775808:predict", ""),
			s.get("/v1/models/half_plus_two/versions/99999999999999999999/metadata"),
		} {
			if a.status != 400 || a.body != "" {
				t.Errorf("got %d %q, want 400 and nothing", a.status, a.body)
			}
			a.wantJSON(t)
		}
	})
}

func TestErrorsOfTheModel(t *testing.T) {
	core := newFakeCore()
	model := core.Loaded["half_plus_two"][2]
	s := start(t, rest.Options{Core: core})
	for _, c := range []struct {
		err    error
		status int
		text   string
		retry  string
	}{
		{status.Error(codes.InvalidArgument, "Matrix size-incompatible"), 400, "Matrix size-incompatible", ""},
		{status.Error(codes.Unavailable, "full"), 503, "full", "1"},
		{retryError{2500 * time.Millisecond}, 503, "full for 2.5s", "3"},
		{fmt.Errorf("wrapped: %w", retryError{time.Millisecond}), 503, "wrapped: full for 1ms", "1"},
		{status.Error(codes.DeadlineExceeded, "late"), 504, "late", ""},
		{nil, 200, "", ""},
		{errors.New("plain"), 500, "plain", ""},
	} {
		model.err = c.err
		a := s.post(predictURL, one)
		if c.err == nil {
			a.wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
			continue
		}
		a.wantError(t, c.status, c.text)
		if got := a.header.Get("Retry-After"); got != c.retry {
			t.Errorf("%v: Retry-After %q, want %q", c.err, got, c.retry)
		}
		if a.header.Get("Server-Timing") != "" {
			t.Error("an error carries the headers of a prediction")
		}
	}
	model.err, model.panics = nil, true
	s.post(predictURL, one).wantError(t, 500, "Internal error: the server's log has the details")
	model.panics = false
	s.post(predictURL, one).wantValue(t, 200, `{"predictions": [3.5, 5.5]}`)
}

func TestStatusTable(t *testing.T) {
	want := [...]int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401, 500}
	for code, w := range want {
		if got := rest.Status(codes.Code(code)); got != w {
			t.Errorf("%v: %d, want %d", codes.Code(code), got, w)
		}
	}
}

func TestDeadline(t *testing.T) {
	core := newFakeCore()
	s := start(t, rest.Options{Core: core, Timeout: time.Hour})
	before := time.Now()
	s.post(predictURL, one)
	deadline := *core.Loaded["half_plus_two"][2].deadline.Load()
	if deadline.Before(before.Add(time.Hour)) || deadline.After(time.Now().Add(time.Hour)) {
		t.Errorf("deadline %v, sent after %v", deadline, before)
	}
	s = start(t, rest.Options{Core: core})
	s.post(predictURL, one)
	if deadline := core.Loaded["half_plus_two"][2].deadline.Load(); !deadline.IsZero() {
		t.Errorf("deadline %v without a timeout", deadline)
	}
}
