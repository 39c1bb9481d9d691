package rest

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tensorjson "shoal/tensor/json"
)

// ContentJSON is the Content-Type of JSON.
const ContentJSON = "application/json"

// WriteJSON answers with a document. It compresses a large one if the client accepts that.
func WriteJSON(c *fasthttp.RequestCtx, code int, document []byte) {
	c.Response.SetStatusCode(code)
	c.Response.Header.SetContentType(ContentJSON)
	c.Response.SetBody(document)
	if code == http.StatusOK {
		compress(c, false)
	}
}

// WriteEmpty answers with a status and no body.
func WriteEmpty(c *fasthttp.RequestCtx, code int) {
	c.Response.SetStatusCode(code)
	c.Response.ResetBody()
}

// Malformed returns the error for a request that the API does not have, with TensorFlow Serving's text.
func Malformed(c *fasthttp.RequestCtx) error {
	return status.Errorf(codes.InvalidArgument, "Malformed request: %s %s", c.Method(), c.RequestURI())
}

// NotFound returns the error for a request to a path that does not exist.
func NotFound(c *fasthttp.RequestCtx) error {
	return &httpError{http.StatusNotFound, fmt.Sprintf("Not found: %s %s", c.Method(), rawPath(c.RequestURI()))}
}

// MethodNotAllowed returns the error for a request with a verb that its path does not accept. allowed are the verbs that it
// accepts.
func MethodNotAllowed(c *fasthttp.RequestCtx, allowed string) error {
	c.Response.Header.Set(fasthttp.HeaderAllow, allowed)
	return &httpError{http.StatusMethodNotAllowed, "Method Not Allowed"}
}

// Preflight answers OPTIONS as TensorFlow Serving does, whether or not CORS is on. Its error is not for the client.
func Preflight(c *fasthttp.RequestCtx) error {
	origin := c.Request.Header.Peek(fasthttp.HeaderOrigin)
	if bytes.Contains(origin, []byte("http://")) || bytes.Contains(origin, []byte("https://")) {
		WriteEmpty(c, http.StatusOK)
		return nil
	}
	WriteEmpty(c, http.StatusBadRequest)
	return status.Error(codes.FailedPrecondition, "Origin header is missing in CORS preflight")
}

func appendText(b []byte, s string) []byte { return tensorjson.AppendString(b, []byte(s)) }
