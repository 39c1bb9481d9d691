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

	"shoal/serving"
	"shoal/serving/access"
)

const contentJSON = "application/json"

// handle is Fiber's handler of every request. The URL is matched as it was sent: nothing is cleaned or redirected.
func (s *Server) handle(f *fiber.Ctx) (err error) {
	c := f.Context()
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("panic while answering a request", slog.Any("panic", r), slog.String("path", string(c.RequestURI())),
				slog.String("request_id", string(c.Response.Header.PeekBytes(headerRequestID))), slog.String("stack", string(debug.Stack())))
			s.fail(c, status.Error(codes.Internal, "Internal error: the server's log has the details"))
			err = nil
		}
	}()
	s.allowOrigins(c)
	s.identify(c)
	path := rawPath(c.RequestURI())
	switch {
	case underAPI(path):
		s.api(c, path)
	case s.opt.Paths[string(path)] != nil:
		if err = s.authorize(c, s.pageRole(string(path))); err == nil {
			return s.opt.Paths[string(path)](f)
		}
	default:
		err = s.own(c, path)
	}
	if err != nil {
		s.fail(c, err)
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

// api answers what lies under /v1/, with an error too.
func (s *Server) api(c *fasthttp.RequestCtx, path []byte) {
	var t target
	var err error
	switch string(c.Method()) {
	case http.MethodPost:
		t, err = parsePost(path)
	case http.MethodGet:
		t, err = parseGet(path)
	case http.MethodOptions:
		s.answer(c, &t, preflight)
		return
	}
	if denied := s.authorize(c, access.Predict); denied != nil {
		s.answer(c, &t, func(c *fasthttp.RequestCtx) error {
			s.fail(c, denied)
			return denied
		})
		return
	}
	if err != nil { // errVersionRange
		s.answer(c, &t, func(c *fasthttp.RequestCtx) error {
			c.Response.Header.SetContentType(contentJSON)
			writeEmpty(c, http.StatusBadRequest)
			return err
		})
		return
	}
	switch t.action {
	case doPredict:
		s.run(c, &t, (*call).predict)
	case doClassify, doRegress:
		s.run(c, &t, (*call).infer)
	default:
		s.answer(c, &t, func(c *fasthttp.RequestCtx) error {
			err := s.describe(c, &t)
			if err != nil {
				s.fail(c, err)
			}
			return err
		})
	}
}

// answer answers a request that needs no run of a model with do, which writes its errors itself, and reports it.
func (s *Server) answer(c *fasthttp.RequestCtx, t *target, do func(*fasthttp.RequestCtx) error) {
	call := s.newCall(c, t)
	defer call.close()
	call.Err = do(c)
}

// describe answers what needs no run of a model.
func (s *Server) describe(c *fasthttp.RequestCtx, t *target) error {
	switch t.action {
	case getStatus:
		return s.status(c, t)
	case getMetadata:
		return s.metadata(c, t)
	case getList:
		return s.list(c)
	case getUnnamed:
		return status.Error(codes.InvalidArgument, "Missing model name in request.")
	}
	return malformedRequest(c)
}

func malformedRequest(c *fasthttp.RequestCtx) error {
	return status.Errorf(codes.InvalidArgument, "Malformed request: %s %s", c.Method(), c.RequestURI())
}

// preflight answers OPTIONS as TensorFlow Serving does, whether or not CORS is on. Its error is not for the client.
func preflight(c *fasthttp.RequestCtx) error {
	origin := c.Request.Header.Peek(fasthttp.HeaderOrigin)
	if bytes.Contains(origin, []byte("http://")) || bytes.Contains(origin, []byte("https://")) {
		writeEmpty(c, http.StatusOK)
		return nil
	}
	writeEmpty(c, http.StatusBadRequest)
	return status.Error(codes.FailedPrecondition, "Origin header is missing in CORS preflight")
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
	if err := s.authorize(c, access.Predict); err != nil {
		return err // which paths there are is not told to everybody
	}
	return &httpError{http.StatusNotFound, fmt.Sprintf("Not found: %s %s (the API is under /v1/models)", c.Method(), path)}
}

// outermost stands before Fiber. It keeps from it the methods that it does not know, which Fiber would answer in its own
// words, and ends the connections of a server that is shutting down.
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
			s.fail(c, malformedRequest(c))
		}
		if s.draining.Load() { // asked last: it may have begun while the model ran
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
		s.fail(c, s.errTooLarge())
		return nil
	case http.StatusRequestHeaderFieldsTooLarge:
		text = fmt.Sprintf("The request line and headers are larger than %d bytes", maxHeaderBytes)
	case http.StatusRequestTimeout:
		s.fail(c, s.errSlow(c))
		return nil
	case http.StatusBadRequest:
		text = "Malformed HTTP request: " + err.Error()
	default:
		text = err.Error()
	}
	s.fail(c, &httpError{code, text})
	return nil
}

func (s *Server) errTooLarge() *httpError {
	return &httpError{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("The request body is larger than --max_request_bytes=%d allows", s.opt.MaxRequestBytes)}
}

// spec names the version that the URL asks for. version outlives the call.
func (t *target) spec(version *int64) serving.ModelSpec {
	spec := serving.ModelSpec{Model: string(t.model), Label: string(t.label)}
	if t.hasVersion {
		*version = t.version
		spec.Version = version
	}
	return spec
}
