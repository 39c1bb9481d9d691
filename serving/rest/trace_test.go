package rest

import (
	"context"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestRequestIDs(t *testing.T) {
	for name, makes := range map[string]bool{"made": true, "not made": false} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{MakeRequestIDs: makes})
			for sent, kept := range map[string]bool{"": false, "7f0e-4a1b": true, "two words": false} {
				for _, target := range []string{"/v1/models/half_plus_two", "/v1/models/unknown", "/healthz"} {
					var header []string
					if sent != "" {
						header = []string{"x-request-id", sent}
					}
					got := s.do("GET", target, "", header...).header.Get("X-Request-Id")
					switch wanted := sent != "" || makes; {
					case kept && got != sent, !kept && (got == sent) == wanted, (got != "") != wanted:
						t.Errorf("%s: %q was sent and %q came back", target, sent, got)
					}
				}
			}
		})
	}
}

type traceKey struct{}

// TestTrace: what Trace makes of a request's context is with Observe at the end, when the
// answer is complete, an error too.
func TestTrace(t *testing.T) {
	type seen struct {
		trace, method, id string
		status, sent      int
	}
	all := make(chan seen, 9)
	s := start(t, Options{
		Trace: func(ctx context.Context, method string, http *fasthttp.RequestCtx) context.Context {
			http.Response.Header.Set("X-Trace", "yes")
			return context.WithValue(ctx, traceKey{}, string(http.Request.Header.Peek("X-Name"))+" "+method)
		},
		Observe: func(c Call) {
			trace, _ := c.Context.Value(traceKey{}).(string)
			all <- seen{trace, c.Method, string(c.HTTP.Response.Header.Peek("X-Request-Id")), c.HTTP.Response.StatusCode(), len(c.HTTP.Response.Body())}
		},
	})
	for _, c := range []struct{ method, target, body, called string }{
		{"POST", "/v1/models/half_plus_two:predict", `{"instances": [1]}`, "Predict"},
		{"POST", "/v1/models/unknown:predict", `{"instances": [1]}`, "Predict"},
		{"GET", "/v1/models/unknown", "", "GetModelStatus"},
		{"PUT", "/v1/models/unknown", "", ""},
	} {
		a := s.do(c.method, c.target, c.body, "X-Name", "n", "X-Request-Id", "id")
		if a.header.Get("X-Trace") != "yes" {
			t.Errorf("%s %s: a header is missing in %v", c.method, c.target, a.header)
		}
		want := seen{"n " + c.called, c.called, "id", a.status, len(a.body)}
		if got := <-all; got != want {
			t.Errorf("%s %s: %+v, want %+v", c.method, c.target, got, want)
		}
	}
}
