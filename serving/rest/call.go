package rest

import (
	"context"
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

// call is one prediction on its way: what it holds and must give back. Calls are reused.
type call struct {
	server   *Server
	http     *fasthttp.RequestCtx
	conn     *conn
	ctx      context.Context // of the run
	target   target
	version  int64 // what the spec's Version points at
	deadline time.Time
	handle   *serving.Handle
	arena    *tensor.Arena
	resolve  tensorjson.Resolve // c.signature, bound once
	times    timings
	sig      *tensor.Signature // nil before it is known
	examples int
	rows     int // of a prediction, and
	batch    int // of all that ran together
	outcome  error
	header   []byte // scratch
}

var calls = sync.Pool{New: func() any {
	c := &call{header: make([]byte, 0, 128)}
	c.resolve = c.signature
	return c
}}

func (s *Server) newCall(http *fasthttp.RequestCtx, t *target) *call {
	c := calls.Get().(*call)
	c.server, c.http, c.conn, c.target, c.ctx = s, http, connOf(http), *t, s.traced(http, t)
	c.times = timings{last: http.Time()}
	c.outcome = errUnfinished
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
	if c.outcome = do(c); c.outcome != nil {
		s.fail(http, c.outcome)
	}
}

// close reports the call and gives back what it holds.
func (c *call) close() {
	c.report()
	c.handle.Release()
	c.arena.Free()
	c.server, c.http, c.conn, c.ctx, c.handle, c.arena, c.target = nil, nil, nil, nil, nil, nil, target{}
	c.sig, c.examples, c.rows, c.batch = nil, 0, 0, 0
	calls.Put(c)
}

// pin resolves the version and holds it.
func (c *call) pin() (err error) {
	if c.handle == nil {
		c.handle, err = c.server.opt.Core.Handle(c.target.spec(&c.version))
	}
	return err
}

// signature is what the decoder asks for once the JSON is known to be well formed.
func (c *call) signature(name string) (*tensor.Signature, error) {
	if err := c.pin(); err != nil {
		return nil, err
	}
	sig, ok := c.handle.Signature(name)
	switch {
	case !ok:
		if name == "" {
			name = "serving_default"
		}
		if why := c.handle.Missing(name); why != "" {
			return nil, status.Error(codes.InvalidArgument, why)
		}
		return nil, status.Errorf(codes.InvalidArgument, "Serving signature name: \"%s\" not found in signature def", name)
	case len(sig.Inputs) == 0:
		if name == "" {
			name = "DEFAULT"
		}
		return nil, status.Errorf(codes.InvalidArgument, "Failed to get input map for signature: %s", name)
	}
	c.sig = sig
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
			if err := c.handle.Refuses(nil); err != nil {
				return err
			}
		}
		if err := c.server.decoding.acquire(c.ctx, c.deadline); err != nil {
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

// timings collects the phases of a call in the form of the Server-Timing header.
type timings struct {
	last   time.Time
	decode time.Duration
	queue  time.Duration
	run    time.Duration
	encode time.Duration
}

// lap is the time since the last one.
func (t *timings) lap() time.Duration {
	now := time.Now()
	d := now.Sub(t.last)
	t.last = now
	return d
}

var (
	headerServerTiming = []byte("Server-Timing")
	headerModelVersion = []byte("Shoal-Model-Version")
	headerBatchSize    = []byte("Shoal-Batch-Size")
)

// describe sets the headers that tell what happened to a prediction. rows is 0 where they are not known.
func (c *call) describe(rows int) {
	h := &c.http.Response.Header
	b := append(c.header[:0], "decode;dur="...)
	b = appendMillis(b, c.times.decode)
	if rows > 0 {
		b = append(b, ", queue;dur="...)
		b = appendMillis(b, c.times.queue)
	}
	b = append(b, ", run;dur="...)
	b = appendMillis(b, c.times.run)
	b = append(b, ", encode;dur="...)
	b = appendMillis(b, c.times.encode)
	h.SetCanonical(headerServerTiming, b)
	b = strconv.AppendInt(b[:0], c.handle.Version, 10)
	h.SetCanonical(headerModelVersion, b)
	if rows > 0 {
		b = strconv.AppendInt(b[:0], int64(rows), 10)
		h.SetCanonical(headerBatchSize, b)
	}
	c.header = b
}

// appendMillis prints d in milliseconds with the microseconds as decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	us := max(0, d.Microseconds())
	b = strconv.AppendInt(b, us/1000, 10)
	us %= 1000
	return append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}
