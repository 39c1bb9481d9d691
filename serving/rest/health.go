package rest

import (
	"net/http"

	"github.com/valyala/fasthttp"
)

// healthz says that the process is alive; it never looks at the models.
func (s *Server) healthz(c *fasthttp.RequestCtx) {
	b := []byte(`{"status":"ok"`)
	if s.opt.Version != "" {
		b = appendText(append(b, `,"version":`...), s.opt.Version)
	}
	writeJSON(c, http.StatusOK, append(b, "}\n"...))
}

// readyz answers 200 when every configured model can be used, and otherwise 503 with the reasons.
func (s *Server) readyz(c *fasthttp.RequestCtx) {
	ready, reasons := s.opt.Core.Ready()
	if s.draining.Load() {
		ready, reasons = false, append([]string{"the server is shutting down"}, reasons...)
	}
	if ready {
		writeJSON(c, http.StatusOK, []byte("{\"ready\":true}\n"))
		return
	}
	b := []byte(`{"ready":false,"reasons":[`)
	for i, reason := range reasons {
		b = appendText(comma(b, i), reason)
	}
	writeJSON(c, http.StatusServiceUnavailable, append(b, "]}\n"...))
	c.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
}
