package rest

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// call is one request under /v1/: its record, what it holds and must give back. Calls are reused.
type call struct {
	serving.Call
	server   *Server
	http     *fasthttp.RequestCtx
	conn     *conn
	target   target
	version  int64 // what the spec's Version points at
	deadline time.Time
	arena    *tensor.Arena
	format   tensorjson.Format  // of a prediction
	resolve  tensorjson.Resolve // c.signature, bound once
	header   []byte             // scratch
}

var calls = sync.Pool{New: func() any {
	c := &call{header: make([]byte, 0, 128)}
	c.resolve = c.signature
	return c
}}

func (s *Server) newCall(http *fasthttp.RequestCtx, t *target) *call {
	c := calls.Get().(*call)
	c.server, c.http, c.conn, c.target = s, http, connOf(http), *t
	c.Call = serving.Call{
		Context: s.base, API: serving.REST, Method: methods[t.action], Version: serving.NoVersion,
		Start: http.Time(), Err: errUnfinished, Exchange: c,
	}
	c.Context = s.opt.Observer.Begin(s.base, &c.Call)
	c.deadline = time.Time{}
	if s.opt.Timeout > 0 {
		c.deadline = http.Time().Add(s.opt.Timeout)
	}
	return c
}

// run makes a call, answers it with do or with do's error, and reports it.
func (s *Server) run(http *fasthttp.RequestCtx, t *target, do func(*call) error) {
	c := s.newCall(http, t)
	defer c.close()
	if c.Err = do(c); c.Err != nil {
		s.fail(http, c.Err)
	}
}

// close reports the call and gives back what it holds.
func (c *call) close() {
	c.report()
	c.Unpin()
	c.arena.Free()
	c.Call, c.target = serving.Call{}, target{}
	c.server, c.http, c.conn, c.arena = nil, nil, nil, nil
	calls.Put(c)
}

// pin resolves the version and holds it.
func (c *call) pin() error {
	if c.Handle != nil {
		return nil
	}
	return c.Pin(c.server.opt.Core, c.target.spec(&c.version))
}

// signature is what the decoder asks for once the JSON is known to be well formed.
func (c *call) signature(name string) (*tensor.Signature, error) {
	if err := c.pin(); err != nil {
		return nil, err
	}
	sig, ok := c.Handle.Signature(name)
	switch {
	case !ok:
		if name == "" {
			name = "serving_default"
		}
		if why := c.Handle.Missing(name); why != "" {
			return nil, status.Error(codes.InvalidArgument, why)
		}
		return nil, status.Errorf(codes.InvalidArgument, "Serving signature name: \"%s\" not found in signature def", name)
	case len(sig.Inputs) == 0:
		if name == "" {
			name = "DEFAULT"
		}
		return nil, status.Errorf(codes.InvalidArgument, "Failed to get input map for signature: %s", name)
	}
	c.Signature = sig.Name
	return sig, nil
}

// withBody calls decode with the request's body, inflated, while holding one of the decoder's slots. A large one that would be
// refused anyway is not decoded. Afterwards the body is given back.
func (c *call) withBody(decode func(body []byte) error) error {
	defer c.conn.body.Free()
	body := c.http.Request.Body()
	gzipped, err := isGzip(c.http.Request.Header.Peek(fasthttp.HeaderContentEncoding))
	if err != nil {
		return err
	}
	if gzipped || len(body) > smallBody {
		if c.pin() == nil { // else the body is looked at first: the order of errors is part of the API
			if err := c.Handle.Refuses(nil); err != nil {
				return err
			}
		}
		if err := c.server.decoding.acquire(c.Context, c.deadline); err != nil {
			return err
		}
		defer c.server.decoding.release()
	}
	if !gzipped {
		return decode(body)
	}
	plain := tensor.Buffer{Lease: &c.conn.lease, Most: c.server.opt.MaxRequestBytes + 1}
	defer plain.Free()
	switch err := inflate(&plain, body, c.server.opt.MaxRequestBytes); {
	case errors.Is(err, errInflated):
		return c.server.errTooLarge()
	case err != nil:
		return err
	}
	return decode(plain.Bytes())
}

var (
	headerServerTiming = []byte("Server-Timing")
	headerModelVersion = []byte("Shoal-Model-Version")
	headerBatchSize    = []byte("Shoal-Batch-Size")
)

// describe sets the headers that tell what happened to a prediction.
func (c *call) describe() {
	h := &c.http.Response.Header
	b := c.AppendTiming(c.header[:0])
	h.SetCanonical(headerServerTiming, b)
	b = strconv.AppendInt(b[:0], c.Handle.Version, 10)
	h.SetCanonical(headerModelVersion, b)
	if c.BatchRows > 0 {
		b = strconv.AppendInt(b[:0], int64(c.BatchRows), 10)
		h.SetCanonical(headerBatchSize, b)
	}
	c.header = b
}
