package rest_test

import (
	"context"
	"net/http"
	"reflect"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/rest"
)

// done is an observer of calls that are over.
type done func(*serving.Call)

func (done) Begin(ctx context.Context, _ *serving.Call) context.Context { return ctx }
func (f done) Done(c *serving.Call)                                     { f(c) }

// TestObserve: every request under /v1/ is reported once, with what became of it.
func TestObserve(t *testing.T) {
	var mu sync.Mutex
	var seen []serving.Call
	core := newFakeCore()
	core.Loaded["panics"] = map[int64]*fakeServable{1: halfPlusTwo(0)}
	core.Loaded["panics"][1].panics = true
	s := start(t, rest.Options{Core: core, MaxRequestBytes: 1 << 10, Observer: done(func(c *serving.Call) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, *c)
	})})
	const x = `{"instances": [1]}`
	const examples = `{"signature_name": "classify", "examples": [{"f": 1}, {"f": 2}]}`
	for _, c := range []struct {
		method, target, body string
		want                 serving.Call
		code                 codes.Code
	}{
		{"POST", "/v1/models/half_plus_two:predict", x, serving.Call{Method: "Predict", Model: "half_plus_two", Version: 2, Signature: "serving_default"}, codes.OK},
		{"POST", "/v1/models/half_plus_two/labels/stable:predict", x, serving.Call{Method: "Predict", Model: "half_plus_two", Version: 1, Signature: "serving_default"}, codes.OK},
		{"POST", "/v1/models/half_plus_two:classify", examples, serving.Call{Method: "Classify", Model: "half_plus_two", Version: 2, Signature: "classify", Examples: 2}, codes.OK},
		{"POST", "/v1/models/half_plus_two:predict", `{"signature_name": "none", "instances": [1]}`, serving.Call{Method: "Predict", Model: "half_plus_two", Version: 2}, codes.InvalidArgument},
		{"POST", "/v1/models/half_plus_two:regress", `{"signature_name": "none", "examples": [{"f": 1}]}`, serving.Call{Method: "Regress", Model: "half_plus_two", Version: 2, Examples: 1}, codes.InvalidArgument},
		{"POST", "/v1/models/unknown:predict", x, serving.Call{Method: "Predict", Model: "unknown", Version: serving.NoVersion}, codes.NotFound},
		{"POST", "/v1/models/half_plus_two:predict", `{`, serving.Call{Method: "Predict", Model: "half_plus_two", Version: serving.NoVersion}, codes.InvalidArgument},
		{"POST", "/v1/models/panics:predict", x, serving.Call{Method: "Predict", Model: "panics", Version: 1, Signature: "serving_default"}, codes.Internal},
		{"GET", "/v1/models/half_plus_two", "", serving.Call{Method: "GetModelStatus", Model: "half_plus_two", Version: serving.NoVersion}, codes.OK},
		{"GET", "/v1/models/half_plus_two/metadata", "", serving.Call{Method: "GetModelMetadata", Model: "half_plus_two", Version: serving.NoVersion}, codes.OK},
		{"GET", "/v1/models", "", serving.Call{Method: "ListModels", Version: serving.NoVersion}, codes.OK},
		{"GET", "/v1/models/half_plus_two/versions/99999999999999999999", "", serving.Call{Method: "GetModelStatus", Model: "half_plus_two", Version: serving.NoVersion}, codes.InvalidArgument},
		{"PUT", "/v1/models/half_plus_two", "", serving.Call{Version: serving.NoVersion}, codes.InvalidArgument},
		{"OPTIONS", "/v1/models/half_plus_two", "", serving.Call{Version: serving.NoVersion}, codes.FailedPrecondition},
	} {
		s.do(c.method, c.target, c.body)
		mu.Lock()
		got := seen
		seen = nil
		mu.Unlock()
		if len(got) != 1 {
			t.Errorf("%s %s was reported %d times", c.method, c.target, len(got))
			continue
		}
		call := got[0]
		if code := status.Code(call.Err); code != c.code {
			t.Errorf("%s %s: reported with %v, want %v", c.method, c.target, call.Err, c.code)
		}
		if call.Start.IsZero() || call.Duration <= 0 {
			t.Errorf("%s %s: began %v, took %v", c.method, c.target, call.Start, call.Duration)
		}
		if c.code == codes.OK && c.want.Signature != "" && (call.Decode <= 0 || call.Run <= 0 || call.Encode <= 0) {
			t.Errorf("%s %s: phases %v, %v, %v, %v", c.method, c.target, call.Decode, call.Queue, call.Run, call.Encode)
		}
		plain := serving.Call{Method: call.Method, Model: call.Model, Version: call.Version, Signature: call.Signature, Examples: call.Examples}
		if !reflect.DeepEqual(plain, c.want) {
			t.Errorf("%s %s: reported as %+v, want %+v", c.method, c.target, plain, c.want)
		}
	}
	s.do("GET", "/healthz", "")
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 0 {
		t.Errorf("the server's own page was reported: %+v", seen)
	}
	if code := status.Code(rest.NewHTTPError(http.StatusRequestEntityTooLarge, "too large")); code != codes.ResourceExhausted {
		t.Errorf("a body that is too large is reported as %v", code)
	}
}
