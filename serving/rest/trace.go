package rest

import (
	"github.com/valyala/fasthttp"

	"shoal/serving"
)

var headerRequestID = []byte(serving.RequestIDHeader)

// identify echoes the client's request id. It replaces an id that is not suitable for logs. If ids are made, it gives one to a
// request without an id. Afterwards the answer's header has the id.
func (s *Server) identify(c *fasthttp.RequestCtx) {
	sent := c.Request.Header.PeekBytes(headerRequestID)
	switch {
	case serving.ValidRequestID(sent):
		c.Response.Header.SetCanonical(headerRequestID, sent)
	case len(sent) > 0 || s.opt.MakeRequestIDs:
		c.Response.Header.Set(serving.RequestIDHeader, serving.NewRequestID())
	}
}
