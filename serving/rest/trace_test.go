package rest_test

import (
	"context"
	"testing"

	"shoal/serving"
	"shoal/serving/rest"
)

func TestRequestIDs(t *testing.T) {
	for name, makes := range map[string]bool{"made": true, "not made": false} {
		t.Run(name, func(t *testing.T) {
			s := start(t, rest.Options{MakeRequestIDs: makes})
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

// seen is what a tracer learns of a call.
type seen struct {
	trace, api, method string
	serving.Facts
}

type tracer chan seen

func (tracer) Begin(ctx context.Context, c *serving.Call) context.Context {
	c.Exchange.SetHeader("X-Trace", "yes")
	return context.WithValue(ctx, traceKey{}, c.Exchange.Header("X-Name")+" "+c.Method)
}

func (t tracer) Done(c *serving.Call) {
	trace, _ := c.Context.Value(traceKey{}).(string)
	t <- seen{trace, c.API, c.Method, c.Facts()}
}

// TestTrace: an observer makes the context of a request, and has it at the end, when the answer is complete, an error too.
func TestTrace(t *testing.T) {
	all := make(tracer, 9)
	s := start(t, rest.Options{Observer: all})
	for _, c := range []struct{ method, target, body, called string }{
		{"POST", "/v1/models/half_plus_two:predict", `{"instances": [1]}`, "Predict"},
		{"POST", "/v1/models/unknown:predict", `{"instances": [1]}`, "Predict"},
		{"GET", "/v1/models/unknown", "", "GetModelStatus"},
		{"PUT", "/v1/models/unknown", "", ""},
	} {
		a := s.do(c.method, c.target+"?x=y", c.body, "X-Name", "n", "X-Request-Id", "id")
		if a.header.Get("X-Trace") != "yes" {
			t.Errorf("%s %s: a header is missing in %v", c.method, c.target, a.header)
		}
		want := seen{"n " + c.called, serving.REST, c.called, serving.Facts{
			RequestID: "id", Received: len(c.body), Sent: len(a.body), Verb: c.method, Path: c.target, Status: a.status,
		}}
		if got := <-all; got != want {
			t.Errorf("%s %s: %+v, want %+v", c.method, c.target, got, want)
		}
	}
}
