package rest

import (
	"bytes"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// errUnfinished is the outcome of a call that panicked.
var errUnfinished = status.Error(codes.Internal, "panic")

var methods = [...]string{
	doPredict: "Predict", doClassify: "Classify", doRegress: "Regress",
	getStatus: "GetModelStatus", getMetadata: "GetModelMetadata", getList: "ListModels", getUnnamed: "GetModelStatus",
}

// report shows the finished call to the observer, while its version is still pinned.
func (c *call) report() {
	if c.Err == errUnfinished {
		c.http.SetStatusCode(http.StatusInternalServerError) // as it will be answered
	}
	if c.Handle == nil {
		c.Model = string(c.target.model)
	}
	c.Duration = time.Since(c.Start)
	c.server.opt.Observer.Done(&c.Call)
}

// Header implements serving.Exchange.
func (c *call) Header(name string) string { return string(c.http.Request.Header.Peek(name)) }

// SetHeader implements serving.Exchange.
func (c *call) SetHeader(name, value string) { c.http.Response.Header.Set(name, value) }

// Facts implements serving.Exchange.
func (c *call) Facts() serving.Facts {
	path, _, _ := bytes.Cut(c.http.RequestURI(), []byte{'?'})
	return serving.Facts{
		RequestID: string(c.http.Response.Header.PeekBytes(headerRequestID)),
		Received:  max(c.http.Request.Header.ContentLength(), 0), Sent: len(c.http.Response.Body()),
		Verb: string(c.http.Method()), Path: string(path), Status: c.http.Response.StatusCode(),
	}
}
