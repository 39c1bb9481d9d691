package rest

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/access"
	"shoal/tensor"
)

// API is a protocol that a Server speaks under some of its paths.
type API interface {
	// Owns reports whether the API answers requests to a path.
	Owns(path []byte) bool
	// TakesBody reports whether the body of a POST to one of its paths may be needed. Otherwise a large body is not read.
	TakesBody(path []byte) bool
	// Answer answers a request to one of its paths, also with errors. It makes an Exchange for each.
	Answer(s *Server, c *fasthttp.RequestCtx, path []byte)
	// Status returns the HTTP status of an error.
	Status(code codes.Code) int
	// AppendError appends the body of the answer to an error.
	AppendError(dst []byte, message string) []byte
}

// Exchange is a request of an API and its answer: the record for observers, and what the request holds and must release. An API
// embeds it in its own type of call, which it may use again after End.
type Exchange struct {
	serving.Call
	HTTP     *fasthttp.RequestCtx
	Deadline time.Time     // zero: none
	Arena    *tensor.Arena // of a prediction's inputs; nil: none. End frees it
	Deflate  bool          // the API also accepts and sends bodies with the coding deflate
	server   *Server
	conn     *conn
	body     *tensor.Buffer // that a body lies in, while it is decoded
	header   []byte         // scratch
}

// errUnfinished is the outcome of a request that panicked.
var errUnfinished = status.Error(codes.Internal, "panic")

// Begin initialises the exchange for a request, and reports it to the observer. method is serving.Call's.
func (e *Exchange) Begin(s *Server, c *fasthttp.RequestCtx, method string) {
	e.server, e.HTTP, e.conn = s, c, connOf(c)
	e.Call = serving.Call{
		Context: s.base, API: serving.REST, Method: method, Version: serving.NoVersion,
		Start: c.Time(), Err: errUnfinished, Exchange: e,
	}
	e.Context = s.opt.Observer.Begin(s.base, &e.Call)
	e.Deadline = time.Time{}
	if s.opt.Timeout > 0 {
		e.Deadline = c.Time().Add(s.opt.Timeout)
	}
}

// Finish answers with err if it is not nil, and notes it as the outcome.
func (e *Exchange) Finish(err error) {
	if e.Err = err; err != nil {
		e.server.Fail(e.HTTP, err)
	}
}

// End reports the finished exchange to the observer, while its version is still pinned, and releases what it holds.
func (e *Exchange) End() {
	if e.Err == errUnfinished {
		e.HTTP.SetStatusCode(http.StatusInternalServerError) // as it will be answered
	}
	e.Duration = time.Since(e.Start)
	e.server.opt.Observer.Done(&e.Call)
	e.Unpin()
	e.Arena.Free()
	*e = Exchange{header: e.header[:0]}
}

// NewArena makes the arena. Its memory counts against the server's budget.
func (e *Exchange) NewArena() {
	e.Arena = tensor.NewArena()
	e.Arena.Within(e.server.opt.Budget)
}

// Authorize returns an error unless the request has a key for the role.
func (e *Exchange) Authorize(need access.Role) error { return e.server.Authorize(e.HTTP, need) }

// Ready reports whether the server can answer requests for every configured model, and the reasons if not.
func (e *Exchange) Ready() (ready bool, reasons []string) { return e.server.ready() }

// Reserve makes sure that the request may use n more bytes of memory.
func (e *Exchange) Reserve(n int64) error { return e.conn.lease.Reserve(n) }

// Body calls decode with the request's body, inflated, while it holds one of the decoder's slots. It does not decode a large body
// that would be rejected anyway: it first calls pin, unless that is nil, for the version. Afterwards it releases the body.
func (e *Exchange) Body(pin func() error, decode func(body []byte) error) error {
	defer e.conn.body.Free()
	body := e.HTTP.Request.Body()
	how, err := contentCoding(e.HTTP.Request.Header.Peek(fasthttp.HeaderContentEncoding), e.Deflate)
	if err != nil {
		return err
	}
	if how != identity || len(body) > smallBody {
		if pin != nil && pin() == nil { // if pin fails, the body is decoded first: the order of errors is part of the API
			if err := e.Handle.Refuses(nil); err != nil {
				return err
			}
		}
		if err := e.server.decoding.acquire(e.Context, e.Deadline); err != nil {
			return err
		}
		defer e.server.decoding.release()
	}
	e.body = &e.conn.body
	defer func() { e.body = nil }()
	if how == identity {
		return decode(body)
	}
	plain := tensor.Buffer{Lease: &e.conn.lease, Most: e.server.opt.MaxRequestBytes + 1}
	defer plain.Free()
	switch err := inflate(&plain, body, how, e.server.opt.MaxRequestBytes); {
	case errors.Is(err, errInflated):
		return e.server.errTooLarge()
	case err != nil:
		return err
	}
	e.body = &plain
	return decode(plain.Bytes())
}

// Keep makes a body, or a part of one, valid as long as the arena. decode of Body calls it. It returns the body's new memory; a
// large body is not copied.
func (e *Exchange) Keep(body []byte) []byte {
	if e.body != nil && len(e.body.Bytes()) > 0 {
		e.Arena.Take(e.body)
		return body
	}
	kept := e.Arena.Bytes(len(body))
	copy(kept, body)
	return kept
}

// smallAnswer is the largest answer that is written into the connection's own buffer.
const smallAnswer = maxIdleBuffer / 2

// Respond encodes a successful answer directly into the response's buffer, which counts against the budget until it is written.
// size is an estimate of the answer's size; 0: small. encode may set the answer's headers; the default Content-Type is JSON.
func (e *Exchange) Respond(size int, encode func(dst []byte) ([]byte, error)) error {
	resp, k := &e.HTTP.Response, e.conn
	resp.Header.SetContentType(ContentJSON)
	var body []byte
	var err error
	if size <= smallAnswer {
		body, err = encode(resp.SwapBody(nil)[:0])
		resp.SwapBody(body)
	} else {
		if err := k.lease.Use(int64(size)); err != nil {
			return err
		}
		k.answer = tensor.Block(size)
		body, err = encode((*k.answer)[:0])
		resp.SetBodyRaw(body)
	}
	if err != nil {
		return err
	}
	if more := cap(body) - max(size, smallAnswer); more > 0 {
		k.lease.Count(int64(more))
	}
	compress(e.HTTP, e.Deflate)
	return nil
}

var (
	headerServerTiming = []byte("Server-Timing")
	headerModelVersion = []byte("Shoal-Model-Version")
	headerBatchSize    = []byte("Shoal-Batch-Size")
)

// Describe sets the headers that describe a prediction: version, batch size and times.
func (e *Exchange) Describe() {
	h := &e.HTTP.Response.Header
	b := e.AppendTiming(e.header[:0])
	h.SetCanonical(headerServerTiming, b)
	b = strconv.AppendInt(b[:0], e.Version, 10)
	h.SetCanonical(headerModelVersion, b)
	if e.BatchRows > 0 {
		b = strconv.AppendInt(b[:0], int64(e.BatchRows), 10)
		h.SetCanonical(headerBatchSize, b)
	}
	e.header = b
}

// Header implements serving.Exchange.
func (e *Exchange) Header(name string) string { return string(e.HTTP.Request.Header.Peek(name)) }

// SetHeader implements serving.Exchange.
func (e *Exchange) SetHeader(name, value string) { e.HTTP.Response.Header.Set(name, value) }

// Facts implements serving.Exchange.
func (e *Exchange) Facts() serving.Facts {
	path, _, _ := bytes.Cut(e.HTTP.RequestURI(), []byte{'?'})
	return serving.Facts{
		RequestID: string(e.HTTP.Response.Header.PeekBytes(headerRequestID)),
		Received:  max(e.HTTP.Request.Header.ContentLength(), 0), Sent: len(e.HTTP.Response.Body()),
		Verb: string(e.HTTP.Method()), Path: string(path), Status: e.HTTP.Response.StatusCode(),
	}
}
