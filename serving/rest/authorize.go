package rest

import (
	"net/http"

	"github.com/valyala/fasthttp"

	"shoal/serving/access"
)

// Authorize returns an error unless the request has a key for the role.
func (s *Server) Authorize(c *fasthttp.RequestCtx, need access.Role) error {
	return s.authorizeHeader(&c.Request.Header, need)
}

func (s *Server) authorizeHeader(h *fasthttp.RequestHeader, need access.Role) error {
	if s.opt.Keys == nil {
		return nil
	}
	return s.opt.Keys.Check(need, string(h.Peek(fasthttp.HeaderAuthorization)))
}

// pageRole returns the role that one of Options.Paths needs.
func (s *Server) pageRole(path string) access.Role {
	if s.opt.Open != nil && s.opt.Open(path) {
		return access.Nobody
	}
	return access.Admin
}

// challenge tells a client without a valid key how to send one.
func challenge(c *fasthttp.RequestCtx, code int) {
	if code == http.StatusUnauthorized {
		c.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="shoal"`)
	}
}
