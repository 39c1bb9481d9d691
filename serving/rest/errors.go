package rest

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// StatusClientClosed is the status of a cancelled request. net/http has no name for it.
const StatusClientClosed = 499

// Status is TensorFlow Serving's table from canonical codes to HTTP.
func Status(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.Canceled:
		return StatusClientClosed
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// httpError is an error of HTTP, for whose status there is no canonical code.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return e.text }

// GRPCStatus returns the code under which the error is counted.
func (e *httpError) GRPCStatus() *status.Status {
	code := codes.Unknown
	switch e.status {
	case http.StatusRequestEntityTooLarge:
		code = codes.ResourceExhausted
	case http.StatusUnsupportedMediaType:
		code = codes.InvalidArgument
	}
	return status.New(code, e.text)
}

// overBudget is the error of a request for which there is no memory. It is 503, not the 429 of its canonical code, because the
// client has not asked too often, and another server may have room.
func overBudget(err error) *httpError {
	if over, ok := errors.AsType[*tensor.OverBudgetError](err); ok && over.Never {
		return &httpError{http.StatusRequestEntityTooLarge, err.Error()}
	}
	return &httpError{http.StatusServiceUnavailable, err.Error()}
}

// Fail answers with an error, in the form of the path's API. It is the only place where errors become HTTP.
func (s *Server) Fail(c *fasthttp.RequestCtx, err error) {
	if _, ok := errors.AsType[*tensor.OverBudgetError](err); ok {
		err = overBudget(err)
	}
	if own, ok := errors.AsType[*httpError](err); ok {
		if own.status == http.StatusServiceUnavailable {
			c.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
		}
		s.writeError(c, own.status, own.text)
		return
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	code := Status(st.Code())
	if api := s.owner(rawPath(c.RequestURI())); api != nil {
		code = api.Status(st.Code())
	}
	if wait, ok := retryAfter(err); ok || code == http.StatusServiceUnavailable {
		c.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.FormatInt(max(1, wait), 10))
	}
	challenge(c, code)
	s.writeError(c, code, st.Message())
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		s.log.Debug("request failed", slog.Int("status", code), slog.String("method", string(c.Method())),
			slog.String("path", string(c.RequestURI())), slog.String("request_id", string(c.Response.Header.PeekBytes(headerRequestID))),
			slog.String("error", st.Message()))
	}
}

// retryAfter returns the pause that an error asks for, in whole seconds, rounded up.
func retryAfter(err error) (seconds int64, ok bool) {
	hint, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err)
	if !ok {
		return 0, false
	}
	return int64(math.Ceil(hint.RetryAfter().Seconds())), true
}

// writeError replaces anything that has been answered so far.
func (s *Server) writeError(c *fasthttp.RequestCtx, code int, message string) {
	c.Response.SetStatusCode(code)
	c.Response.Header.SetContentType(ContentJSON)
	// An op's message may quote input bytes that are not UTF-8, but JSON must be UTF-8.
	message = strings.ToValidUTF8(message, "\uFFFD")
	body := c.Response.SwapBody(nil)[:0]
	if api := s.owner(rawPath(c.RequestURI())); api != nil {
		body = api.AppendError(body, message)
	} else {
		body = tensorjson.AppendError(body, message)
	}
	c.Response.SwapBody(body)
}
