package rest

import (
	"net/http"

	"github.com/valyala/fasthttp"
)

// readAhead is how much of a body is read before the headers are looked at: what is smaller is there as a rule, and reading it
// keeps the connection.
const readAhead = 8 << 10

// headerWithheld tells the handler why the body was not read. Clients cannot send it: a name has no blanks.
var headerWithheld = []byte(" withheld")

// Why a body is not read.
var (
	unwanted = []byte("unwanted") // nothing that answers this path and method takes a body
	tooLarge = []byte("too large")
)

// inspect is fasthttp's hook between a request's headers and its body. Where the body is not to be read it hides the body from
// fasthttp, which then calls the handler at once.
func (s *Server) inspect(h *fasthttp.RequestHeader) (none fasthttp.RequestConfig) {
	if fault := misframed(h); fault != "" {
		withhold(h, []byte(fault))
		return none
	}
	length := h.ContentLength()
	switch {
	case length != -1 && length <= readAhead:
	case !takesBody(h):
		withhold(h, unwanted)
	case length > s.opt.MaxRequestBytes:
		withhold(h, tooLarge)
	}
	return none
}

// takesBody reports whether there may be somebody to read the body.
func takesBody(h *fasthttp.RequestHeader) bool {
	if !h.IsPost() {
		return false
	}
	t, err := parsePost(rawPath(h.RequestURI()))
	return err == nil && t.action != malformed
}

// withhold makes the body that follows invisible, and the request the connection's last.
func withhold(h *fasthttp.RequestHeader, reason []byte) {
	h.SetContentLength(0)
	h.Del(fasthttp.HeaderExpect)
	h.SetConnectionClose()
	h.SetCanonical(headerWithheld, reason)
}

// withheld answers a request whose body was not read. It is false where the request is to be answered as one without a body.
func (s *Server) withheld(c *fasthttp.RequestCtx) bool {
	if !c.Request.Header.ConnectionClose() {
		return false
	}
	switch reason := string(c.Request.Header.PeekBytes(headerWithheld)); reason {
	case "":
		return false
	case string(unwanted):
		lingerOn(c.Conn())
		return false
	case string(tooLarge):
		s.refuse(c, s.errTooLarge())
	default:
		s.refuse(c, &httpError{http.StatusBadRequest, "Malformed HTTP request: " + reason})
	}
	return true
}

// refuse answers a request that was not read to its end. The connection is closed after it.
func (s *Server) refuse(c *fasthttp.RequestCtx, err error) {
	lingerOn(c.Conn())
	c.Response.Reset()
	c.Response.SetConnectionClose()
	s.allowOrigins(c)
	s.fail(c, err)
}
