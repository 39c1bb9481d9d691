// Package v2 is the Open Inference Protocol's REST API, which lies under /v2, with the extensions that clients of Triton use. It
// reads requests, JSON and binary tensors, and writes the answers; what the protocol means is package oip.
package v2

import (
	"net/http"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/access"
	"shoal/serving/oip"
	"shoal/serving/predictionlog"
	"shoal/serving/rest"
	tensorjson "shoal/tensor/json"
)

// Options configures an API. Core is required.
type Options struct {
	Core serving.Core
	// Repository loads and unloads models; nil: that is not allowed.
	Repository serving.Repository
	Version    string              // the server's own, told in its metadata
	Counted    oip.Counted         // what versions have done; nil: nothing is known
	Logs       *predictionlog.Logs // keeps a sample of the answered requests; nil: none are kept
	Log        oip.Log             // the server's log, whose level clients may change; nil: they may not
	Tracing    bool                // spans go to a collector
	// AdminRefused is why requests that administer are refused. "": they are not.
	AdminRefused string
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
	return ok && endpoints[t.action].post != no
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
	method    string      // of serving.Call
	get, post access.Role // that a request with this verb needs, or no
	answer    func(*call) error
}

// no is instead of a role where a path does not know a verb.
const no access.Role = -1

var endpoints = [...]endpoint{
	unknown:        {"", no, no, nil},
	serverMetadata: {"ServerMetadata", access.Predict, no, (*call).serverMetadata},
	serverLive:     {"ServerLive", access.Nobody, no, (*call).serverLive},
	serverReady:    {"ServerReady", access.Nobody, no, (*call).serverReady},
	modelReady:     {"ModelReady", access.Predict, no, (*call).modelReady},
	modelMetadata:  {"ModelMetadata", access.Predict, no, (*call).modelMetadata},
	modelConfig:    {"ModelConfig", access.Predict, no, (*call).modelConfig},
	statistics:     {"ModelStatistics", access.Predict, no, (*call).statistics},
	infer:          {"ModelInfer", no, access.Predict, (*call).infer},
	index:          {"RepositoryIndex", no, access.Admin, (*call).index},
	load:           {"RepositoryModelLoad", no, access.Admin, (*call).load},
	unload:         {"RepositoryModelUnload", no, access.Admin, (*call).unload},
	logSettings:    {"LogSettings", access.Admin, access.Admin, (*call).logSettings},
	traceSettings:  {"TraceSetting", access.Admin, access.Admin, (*call).traceSettings},
}

// role is what a request needs; no: the path does not know its verb.
func (e *endpoint) role(c *fasthttp.RequestCtx) access.Role {
	switch {
	case c.IsGet(), c.IsHead():
		return e.get
	case c.IsPost():
		return e.post
	}
	return no
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
	role := e.role(http)
	if role == no { // which paths and verbs there are is not told to everybody
		if denied := s.Authorize(http, access.Predict); denied != nil {
			c.Finish(denied)
			return
		}
		if !found {
			c.Finish(rest.NotFound(http))
		} else {
			c.Finish(rest.MethodNotAllowed(http, e.allow()))
		}
		return
	}
	c.Finish(c.permitted(role))
}

// permitted answers a request if it has a key for the role.
func (c *call) permitted(role access.Role) error {
	if err := c.Authorize(role); err != nil {
		return err
	}
	if why := c.api.opt.AdminRefused; role == access.Admin && why != "" {
		return status.Error(codes.PermissionDenied, why)
	}
	return endpoints[c.target.action].answer(c)
}

// allow lists the verbs that the path knows.
func (e *endpoint) allow() string {
	switch {
	case e.post == no:
		return "GET, HEAD"
	case e.get == no:
		return "POST"
	}
	return "GET, HEAD, POST"
}
