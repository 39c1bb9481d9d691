package rest

import (
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/valyala/fasthttp"

	"shoal/tensor"
)

// readAhead is how much of a body fasthttp reads before it calls the handler.
const readAhead = 8 << 10

// receive reads a request's body, as it arrives, into memory that counts against the budget. Request.Body then returns it, until
// the call gives it back. receive returns false if it has answered the request.
func (s *Server) receive(c *fasthttp.RequestCtx) bool {
	k, stream := connOf(c), c.Request.BodyStream()
	if stream == nil {
		k.enter(working)
		return true
	}
	length := c.Request.Header.ContentLength()
	if length >= 0 && length <= readAhead {
		body := readAll(c, stream)
		if err := k.lease.Use(int64(len(body))); err != nil {
			s.Fail(c, err)
			return false
		}
		k.enter(working)
		return true
	}
	k.body = tensor.Buffer{Lease: &k.lease, Most: s.opt.MaxRequestBytes + 1}
	if length > 0 {
		k.body.Most = length
	}
	if err := s.fill(&k.body, stream); err != nil {
		k.body.Free()
		s.broken(c, err)
		return false
	}
	k.enter(working)
	body := k.body.Bytes()
	c.Request.SetBodyRaw(body)
	c.Request.Header.SetContentLength(len(body)) // of a chunked body it was not known
	return true
}

// readAll uses a body that is complete in fasthttp's own buffer, without a copy.
func readAll(c *fasthttp.RequestCtx, stream io.Reader) []byte {
	_ = c.Request.CloseBodyStream() // so that Body is that buffer; the server keeps the stream
	body := c.Request.Body()
	_, _ = io.ReadFull(stream, body) // onto itself, so that the server knows that the connection is at the next request
	return body
}

// fill reads a stream to its end.
func (s *Server) fill(b *tensor.Buffer, stream io.Reader) error {
	for {
		room, err := b.Room()
		if err != nil {
			return err
		}
		if len(room) == 0 { // everything that was announced has arrived
			room = make([]byte, 1)
		}
		n, err := stream.Read(room)
		if n > 0 {
			b.Wrote(n)
		}
		switch {
		case len(b.Bytes()) > s.opt.MaxRequestBytes:
			return s.errTooLarge()
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// broken answers a request whose body did not arrive completely.
func (s *Server) broken(c *fasthttp.RequestCtx, err error) {
	var over *tensor.OverBudgetError
	var own *httpError
	var netErr net.Error
	switch {
	case errors.As(err, &over), errors.As(err, &own):
	case errors.As(err, &netErr) && netErr.Timeout():
		err = s.errSlow(c)
	default:
		err = &httpError{http.StatusBadRequest, "Malformed HTTP request: " + err.Error()}
	}
	s.refuse(c, err)
}
