// Package v1 is TensorFlow Serving's REST API, which lies under /v1/: predict, classify and regress, a model's status and
// metadata, and the list of models. It translates a request for serving.Core, and the answer back. Paths, checks, their order and
// the texts of errors are TensorFlow Serving's.
package v1

import (
	"net/http"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/internal/ascii"
	"shoal/serving"
	"shoal/serving/access"
	"shoal/serving/predictionlog"
	"shoal/serving/rest"
	tensorjson "shoal/tensor/json"
)

// Options configures an API. Core is required.
type Options struct {
	Core            serving.Core
	CheckMethodName bool                // classify and regress require the signature's method name
	Logs            *predictionlog.Logs // keeps a sample of the answered requests; nil: none are kept
}

// API is a rest.API.
type API struct{ opt Options }

// New makes the API.
func New(o Options) *API { return &API{o} }

// Owns reports whether a path begins with /v1/, in any case.
func (*API) Owns(path []byte) bool {
	_, ok := ascii.CutFold(path, "/v1/")
	return ok
}

// TakesBody implements rest.API.
func (*API) TakesBody(path []byte) bool {
	t, err := parsePost(path)
	return err == nil && t.action != malformed
}

// Status implements rest.API.
func (*API) Status(code codes.Code) int { return rest.Status(code) }

// AppendError implements rest.API.
func (*API) AppendError(dst []byte, message string) []byte {
	return tensorjson.AppendError(dst, message)
}

// Answer implements rest.API.
func (a *API) Answer(s *rest.Server, http *fasthttp.RequestCtx, path []byte) {
	t, err := parse(http, path)
	c := a.newCall(s, http, &t)
	defer c.close()
	if http.IsOptions() {
		c.Err = rest.Preflight(http)
		return
	}
	if denied := s.Authorize(http, access.Predict); denied != nil {
		c.Finish(denied)
		return
	}
	if err != nil {
		answerEmpty(http)
		c.Err = err
		return
	}
	c.Finish(c.answer())
}

// parse matches a path. The error is errVersionRange.
func parse(c *fasthttp.RequestCtx, path []byte) (target, error) {
	switch {
	case c.IsPost():
		return parsePost(path)
	case c.IsGet():
		return parseGet(path)
	}
	return target{}, nil
}

// answerEmpty answers a version number that is out of range.
func answerEmpty(c *fasthttp.RequestCtx) {
	c.Response.Header.SetContentType(rest.ContentJSON)
	rest.WriteEmpty(c, http.StatusBadRequest)
}

// answer answers a request, except for its error.
func (c *call) answer() error {
	switch c.target.action {
	case doPredict:
		return c.predict()
	case doClassify, doRegress:
		return c.infer()
	case getStatus:
		return c.api.status(c.HTTP, &c.target)
	case getMetadata:
		return c.api.metadata(c.HTTP, &c.target)
	case getList:
		return c.api.list(c.HTTP)
	case getUnnamed:
		return status.Error(codes.InvalidArgument, "Missing model name in request.")
	}
	return rest.Malformed(c.HTTP)
}
