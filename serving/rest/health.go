package rest

import (
	"net/http"

	"github.com/valyala/fasthttp"
)

// healthz answers that the process is alive. It does not check the models.
func (s *Server) healthz(c *fasthttp.RequestCtx) {
	b := []byte(`{"status":"ok"`)
	if s.opt.Version != "" {
		b = appendText(append(b, `,"version":`...), s.opt.Version)
	}
	WriteJSON(c, http.StatusOK, append(b, "}\n"...))
}

// readyz answers 200 if every configured model can be used, with warnings if there are any, and otherwise 503 with the reasons.
func (s *Server) readyz(c *fasthttp.RequestCtx) {
	ready, reasons := s.ready()
	if ready && len(reasons) == 0 {
		WriteJSON(c, http.StatusOK, []byte("{\"ready\":true}\n"))
		return
	}
	b, code := []byte(`{"ready":false,"reasons":[`), http.StatusServiceUnavailable
	if ready {
		b, code = []byte(`{"ready":true,"warnings":[`), http.StatusOK
	}
	for i, reason := range reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, reason)
	}
	WriteJSON(c, code, append(b, "]}\n"...))
	if ready {
		return
	}
	c.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
}

// ready returns the manager's readiness, or false if the server is shutting down.
func (s *Server) ready() (ready bool, reasons []string) {
	ready, reasons = s.opt.Core.Ready()
	if s.draining.Load() {
		return false, append([]string{"the server is shutting down"}, reasons...)
	}
	return ready, reasons
}
