package rest

import (
	"github.com/valyala/fasthttp"

	"shoal/serving"
)

var headerRequestID = []byte(serving.RequestIDHeader)

// identify echoes the client's request id. One that is not fit for logs is replaced, and where ids are made, a request
// without one gets one. From here on the answer's header is where the id is to be found.
func (s *Server) identify(c *fasthttp.RequestCtx) {
	sent := c.Request.Header.PeekBytes(headerRequestID)
	switch {
	case serving.ValidRequestID(sent):
		c.Response.Header.SetCanonical(headerRequestID, sent)
	case len(sent) > 0 || s.opt.MakeRequestIDs:
		c.Response.Header.Set(serving.RequestIDHeader, serving.NewRequestID())
	}
}
