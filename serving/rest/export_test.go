package rest

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"
)

// What the tests in package rest_test need besides what is exported.

var (
	ErrDecodeWait = errDecodeWait
	RawPath       = rawPath
)

const (
	SmallBody      = smallBody
	MinDeflate     = minDeflate
	MaxHeaderBytes = maxHeaderBytes
)

// Decoding is how many of the decoder's slots are taken.
func (s *Server) Decoding() int { return len(s.decoding.slots) }

// AcceptsGzip reads an Accept-Encoding.
func AcceptsGzip(header []byte) bool { return accepts(header, "gzip", "x-gzip", "*") }

// NewHTTPError is an error of HTTP itself.
func NewHTTPError(status int, text string) error { return &httpError{status, text} }

// SetQuiet changes how long stopping waits for idle connections.
func (s *Server) SetQuiet(d time.Duration) { s.quiet = d }

// Handler is the server's, without its listener.
func (s *Server) Handler() fasthttp.RequestHandler {
	_ = s.app.Handler() // Fiber builds its routes
	return s.app.Server().Handler
}

// FillDecoder takes one of the decoder's slots. The function that it returns gives it back.
func (s *Server) FillDecoder(ctx context.Context) (release func(), err error) {
	return s.decoding.release, s.decoding.acquire(ctx, time.Time{})
}

// CutOff treats a connection that waits for its client, to send or else to read, as one that is too slow. It is false if there is
// none.
func (s *Server) CutOff(reading bool) bool {
	phase := uint64(receiving)
	if reading {
		phase = sending
	}
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.phase.Load()%phases == phase && c.moved.Load() > 40 {
			c.cutOff()
			return true
		}
	}
	return false
}
