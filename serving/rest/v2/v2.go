// Package v2 is the Open Inference Protocol's REST API, which lies under /v2, with the extensions that clients of Triton use. It
// reads requests, JSON and binary tensors, and writes the answers; what the protocol means is package oip.
package v2

import (
	"net/http"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"

	"shoal/serving"
	"shoal/serving/access"
	"shoal/serving/oip"
	"shoal/serving/predictionlog"
	"shoal/serving/rest"
	tensorjson "shoal/tensor/json"
)

// Options configures an API. Core is required.
type Options struct {
	Core    serving.Core
	Version string              // the server's own, told in its metadata
	Counted oip.Counted         // what versions have done; nil: nothing is known
	Logs    *predictionlog.Logs // keeps a sample of the answered requests; nil: none are kept
}

// API is a rest.API.
type API struct{ opt Options }

// New makes the API.
func New(o Options) *API { return &API{o} }

// Owns implements rest.API.
func (*API) Owns(path []byte) bool {
	return len(path) >= len(prefix) && string(path[:len(prefix)]) == prefix && (len(path) == len(prefix) || path[len(prefix)] == '/')
}

// TakesBody implements rest.API.
func (*API) TakesBody(path []byte) bool {
	t, ok := parse(path)
	return ok && endpoints[t.action].post
}

// Status is Triton's: what a client did wrong is 400.
func (*API) Status(code codes.Code) int {
	switch code {
	case codes.Canceled, codes.Unknown, codes.AlreadyExists:
		return http.StatusBadRequest
	}
	return rest.Status(code)
}

// AppendError implements rest.API.
func (*API) AppendError(dst []byte, message string) []byte {
	dst = tensorjson.AppendString(append(dst, `{"error":`...), []byte(message))
	return append(dst, '}')
}

// endpoint is what is done at a path.
type endpoint struct {
	method    string // of serving.Call
	get, post bool   // the verbs that it knows
	role      access.Role
	answer    func(*call) error
}

var endpoints = [...]endpoint{
	serverMetadata: {"ServerMetadata", true, false, access.Predict, (*call).serverMetadata},
	serverLive:     {"ServerLive", true, false, access.Nobody, (*call).serverLive},
	serverReady:    {"ServerReady", true, false, access.Nobody, (*call).serverReady},
	modelReady:     {"ModelReady", true, false, access.Predict, (*call).modelReady},
	modelMetadata:  {"ModelMetadata", true, false, access.Predict, (*call).modelMetadata},
	modelConfig:    {"ModelConfig", true, false, access.Predict, (*call).modelConfig},
	statistics:     {"ModelStatistics", true, false, access.Predict, (*call).statistics},
	infer:          {"ModelInfer", false, true, access.Predict, (*call).infer},
	index:          {"RepositoryIndex", false, true, access.Predict, (*call).index},
	load:           {"RepositoryModelLoad", false, true, access.Admin, (*call).fixed},
	unload:         {"RepositoryModelUnload", false, true, access.Admin, (*call).fixed},
}

// Answer implements rest.API.
func (a *API) Answer(s *rest.Server, http *fasthttp.RequestCtx, path []byte) {
	t, found := parse(path)
	e := &endpoints[t.action]
	c := a.newCall(s, http, t, e.method)
	defer c.close()
	if http.IsOptions() {
		c.Err = rest.Preflight(http)
		return
	}
	role := access.Predict // which paths there are is not told to everybody
	if found {
		role = e.role
	}
	if denied := s.Authorize(http, role); denied != nil {
		c.Finish(denied)
		return
	}
	switch {
	case !found:
		c.Finish(rest.NotFound(http))
	case !(e.get && (http.IsGet() || http.IsHead())) && !(e.post && http.IsPost()):
		c.Finish(rest.MethodNotAllowed(http, e.post))
	default:
		c.Finish(e.answer(c))
	}
}
