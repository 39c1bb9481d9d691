package rest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"shoal/serving/access"
)

// headerWithheld tells the handler what to answer if the body was not read: the status (0: answer it as a request without a body)
// and the text. Clients cannot send this header, because a name has no spaces.
var headerWithheld = []byte(" withheld")

// inspect is fasthttp's hook between a request's headers and its body. If the body must not be read, inspect hides it from
// fasthttp, which then calls the handler at once. A small body is always read, so that the connection can be kept.
func (s *Server) inspect(h *fasthttp.RequestHeader) (none fasthttp.RequestConfig) {
	if fault := misframed(h); fault != "" {
		withhold(h, &httpError{http.StatusBadRequest, "Malformed HTTP request: " + fault})
		return none
	}
	length := h.ContentLength()
	switch {
	case length != -1 && length <= readAhead && length <= s.opt.MaxRequestBytes:
	case !s.takesBody(h), s.authorizeHeader(h, access.Predict) != nil:
		withhold(h, new(httpError))
	case length > s.opt.MaxRequestBytes:
		withhold(h, s.errTooLarge())
	default:
		if err := s.opt.Budget.Fits(int64(length)); err != nil {
			withhold(h, overBudget(err))
		}
	}
	return none
}

// takesBody reports whether the body may be needed.
func (s *Server) takesBody(h *fasthttp.RequestHeader) bool {
	if !h.IsPost() {
		return false
	}
	path := rawPath(h.RequestURI())
	api := s.owner(path)
	return api != nil && api.TakesBody(path)
}

// withhold hides the body, and makes the request the connection's last.
func withhold(h *fasthttp.RequestHeader, answer *httpError) {
	h.SetContentLength(0)
	h.Del(fasthttp.HeaderExpect)
	h.SetConnectionClose()
	h.SetCanonical(headerWithheld, fmt.Appendf(nil, "%d %s", answer.status, answer.text))
}

// withheld answers a request whose body was not read. It returns false if the request must be answered as one without a body.
func (s *Server) withheld(c *fasthttp.RequestCtx) bool {
	if !c.Request.Header.ConnectionClose() {
		return false
	}
	answer := c.Request.Header.PeekBytes(headerWithheld)
	if len(answer) == 0 {
		return false
	}
	code, text, _ := strings.Cut(string(answer), " ")
	if code == "0" {
		connOf(c).linger.Store(true)
		return false
	}
	status, _ := strconv.Atoi(code)
	s.refuse(c, &httpError{status, text})
	return true
}

// refuse answers a request that was not read completely. The connection is closed afterwards.
func (s *Server) refuse(c *fasthttp.RequestCtx, err error) {
	k := connOf(c)
	k.linger.Store(true)
	k.lease.Free() // lingering may take a while
	c.Response.Reset()
	c.Response.SetConnectionClose()
	s.allowOrigins(c)
	s.Fail(c, err)
}
