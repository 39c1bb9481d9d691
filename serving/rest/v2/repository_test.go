package v2_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/rest"
	"shoal/serving/rest/v2"
)

// shelf is a repository of the models "echo" and "other"; any other cannot be loaded.
type shelf struct{ done []string }

func (s *shelf) Load(_ context.Context, model string) error {
	s.done = append(s.done, "load "+model)
	if !slices.Contains(s.Found(), model) {
		return status.Errorf(codes.NotFound, "model %s is nowhere", model)
	}
	return nil
}

func (s *shelf) Unload(_ context.Context, model string) error {
	s.done = append(s.done, "unload "+model)
	return nil
}

func (s *shelf) Found() []string { return []string{"echo", "other"} }

func TestRepository(t *testing.T) {
	there, core := new(shelf), newCore()
	c := &client{t: t}
	c.api = v2.New(v2.Options{Core: core, Repository: there})
	c.server = rest.New(rest.Options{Core: core, APIs: []rest.API{c.api}})
	t.Cleanup(func() { _ = c.server.Shutdown(context.Background()) })
	for path, body := range map[string]string{
		"/v2/repository/models/other/load": "", "/v2/repository/r/models/a%2Fb/unload": `{"parameters":{"unload_dependents":true}}`,
	} {
		if a := c.do("POST", path, body); a.status != 200 || len(a.body) != 0 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	slices.Sort(there.done)
	if want := []string{"load other", "unload a/b"}; !slices.Equal(there.done, want) {
		t.Errorf("%q, want %q", there.done, want)
	}
	c.do("POST", "/v2/repository/models/x/load", "{}").wantError(t, 400, "failed to load 'x', model x is nowhere")
	c.do("POST", "/v2/repository/models/other/load", `{"parameters":{"config":"{}"}}`).wantError(t, 501,
		"failed to load 'other', the parameters config and file: are not supported: models are loaded as they are in --model_repository")
	c.do("POST", "/v2/repository/models/other/load", "[").wantError(t, 400, "failed to parse the request JSON buffer: unexpected end of JSON input")
	c.do("POST", "/v2/repository/index", "").want(t, 200, `[{"name":"echo","version":"1","state":"READY"},{"name":"echo","version":"2","state":"READY"},`+
		`{"name":"odd","version":"1","state":"READY"},{"name":"other"}]`)
}
