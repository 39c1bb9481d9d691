package rest

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving/access"
)

// handle is Fiber's handler of every request. The URL is matched as it was sent: nothing is cleaned or redirected.
func (s *Server) handle(f *fiber.Ctx) (err error) {
	c := f.Context()
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("panic while answering a request", slog.Any("panic", r), slog.String("path", string(c.RequestURI())),
				slog.String("request_id", string(c.Response.Header.PeekBytes(headerRequestID))), slog.String("stack", string(debug.Stack())))
			s.Fail(c, status.Error(codes.Internal, "Internal error: the server's log has the details"))
			err = nil
		}
	}()
	s.allowOrigins(c)
	s.identify(c)
	path := rawPath(c.RequestURI())
	if api := s.owner(path); api != nil {
		api.Answer(s, c, path)
		return nil
	}
	if page := s.opt.Paths[string(path)]; page != nil {
		if err = s.Authorize(c, s.pageRole(string(path))); err == nil {
			return page(f)
		}
	} else {
		err = s.own(c, path)
	}
	if err != nil {
		s.Fail(c, err)
	}
	return nil
}

// allowOrigins sets the CORS headers that every answer carries, if any.
func (s *Server) allowOrigins(c *fasthttp.RequestCtx) {
	if s.opt.CORS {
		h := &c.Response.Header
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "POST, GET")
		if s.opt.Keys == nil {
			h.Set("Access-Control-Allow-Headers", "Content-Type")
		} else {
			h.Set("Access-Control-Allow-Headers", "Content-Type, Authorization")
		}
	}
}

// owner returns the API of a path, or nil.
func (s *Server) owner(path []byte) API {
	for _, api := range s.opt.APIs {
		if api.Owns(path) {
			return api
		}
	}
	return nil
}

// rawPath returns the path of a request target: without the scheme and authority of an absolute one, the query and the fragment. It
// cleans and decodes nothing.
func rawPath(uri []byte) []byte {
	if len(uri) > 0 && uri[0] != '/' {
		if i := bytes.Index(uri, []byte("://")); i >= 0 {
			uri = uri[i+3:]
			uri = uri[len(authority(uri)):]
		}
	}
	if i := bytes.IndexAny(uri, "?#"); i >= 0 {
		uri = uri[:i]
	}
	return uri
}

func authority(uri []byte) []byte {
	if i := bytes.IndexAny(uri, "/?#"); i >= 0 {
		return uri[:i]
	}
	return uri
}

// own answers the server's own paths.
func (s *Server) own(c *fasthttp.RequestCtx, path []byte) error {
	if c.IsGet() || c.IsHead() {
		switch string(path) {
		case "/healthz":
			s.healthz(c)
			return nil
		case "/readyz":
			s.readyz(c)
			return nil
		}
	}
	if err := s.Authorize(c, access.Predict); err != nil {
		return err // without a key, clients cannot find out which paths exist
	}
	return &httpError{http.StatusNotFound, fmt.Sprintf("Not found: %s %s (the API is under /v1/models)", c.Method(), path)}
}

// outermost handles requests before Fiber. It answers methods that Fiber does not know, because Fiber would answer them with its
// own texts. It also ends the connections of a server that is shutting down.
func (s *Server) outermost(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	known := make(map[string]bool, len(fiber.DefaultMethods))
	for _, m := range fiber.DefaultMethods {
		known[m] = true
	}
	return func(c *fasthttp.RequestCtx) {
		switch {
		case s.withheld(c), !s.receive(c):
		case known[string(c.Method())]:
			next(c)
		default:
			s.allowOrigins(c)
			s.Fail(c, Malformed(c))
		}
		if s.draining.Load() { // checked last, because the drain may begin while the model runs
			c.Response.Header.SetConnectionClose()
		}
	}
}

// protocolError answers what is not a complete HTTP request. The connection is closed after it.
func (s *Server) protocolError(f *fiber.Ctx, err error) error {
	c := f.Context()
	c.Response.Reset()
	s.allowOrigins(c)
	connOf(c).linger.Store(true)
	code := http.StatusInternalServerError
	if e, ok := errors.AsType[*fiber.Error](err); ok {
		code = e.Code
	}
	text := ""
	switch code {
	case http.StatusRequestEntityTooLarge:
		s.Fail(c, s.errTooLarge())
		return nil
	case http.StatusRequestHeaderFieldsTooLarge:
		text = fmt.Sprintf("The request line and headers are larger than %d bytes", maxHeaderBytes)
	case http.StatusRequestTimeout:
		s.Fail(c, s.errSlow(c))
		return nil
	case http.StatusBadRequest:
		text = "Malformed HTTP request: " + err.Error()
	default:
		text = err.Error()
	}
	s.Fail(c, &httpError{code, text})
	return nil
}

func (s *Server) errTooLarge() *httpError {
	return &httpError{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("The request body is larger than --max_request_bytes=%d allows", s.opt.MaxRequestBytes)}
}
