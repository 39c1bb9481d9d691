package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/internal/ascii"
	"shoal/tensor"
)

// minDeflate is the smallest body worth compressing: a smaller one fits a packet or two as it is.
const minDeflate = 1 << 10

// maxPooledBuffer is the largest buffer kept for the next request.
const maxPooledBuffer = 4 << 20

var errInflated = errors.New("inflated body is larger than the limit")

// What gzip needs is large (the compressor's tables are over 100 KiB) and reused.
var (
	buffers   = bufferPool{sync.Pool{New: func() any { return new([]byte) }}}
	inflaters = sync.Pool{New: func() any { return new(inflater) }}
	deflaters = sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
		return w
	}}
)

// bufferPool drops buffers that a rare large body has grown.
type bufferPool struct{ sync.Pool }

func (p *bufferPool) Put(b *[]byte) {
	if cap(*b) <= maxPooledBuffer {
		p.Pool.Put(b)
	}
}

type inflater struct {
	gzip gzip.Reader
	body bytes.Reader
}

// isGzip reads a Content-Encoding: gzip or none, in any case. utf-8 is no encoding of this kind, and some clients send it.
func isGzip(encoding []byte) (gzipped bool, err error) {
	for len(encoding) > 0 {
		var name []byte
		name, encoding, _ = bytes.Cut(encoding, []byte(","))
		switch name = bytes.TrimSpace(name); {
		case len(name) == 0, ascii.EqualFold(name, "identity"), ascii.EqualFold(name, "utf-8"):
		case !gzipped && (ascii.EqualFold(name, "gzip") || ascii.EqualFold(name, "x-gzip")):
			gzipped = true
		default:
			return false, &httpError{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Encoding %q is not supported: send the body as gzip or as it is", name)}
		}
	}
	return gzipped, nil
}

// inflate appends the inflated body to dst. An empty body stays empty; one that inflates to more than limit bytes gives errInflated,
// and one for which there is no memory the buffer's error.
func inflate(dst *tensor.Buffer, body []byte, limit int) error {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	z.body.Reset(body)
	defer z.body.Reset(nil)
	if len(body) == 0 {
		return nil
	}
	if err := z.gzip.Reset(&z.body); err != nil {
		return errNotGzip(err)
	}
	for {
		room, err := dst.Room()
		if err != nil {
			return err
		}
		n, err := z.gzip.Read(room)
		if n > 0 {
			dst.Wrote(n)
		}
		switch {
		case len(dst.Bytes()) > limit:
			return errInflated
		case err == io.EOF:
			return nil
		case err != nil:
			return errNotGzip(err)
		}
	}
}

func errNotGzip(err error) error {
	return status.Errorf(codes.InvalidArgument, "The request body is not what its Content-Encoding says: %v", err)
}

// appendWriter lets the compressor append to a slice.
type appendWriter struct{ b []byte }

func (w *appendWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// deflateAnswer compresses a large body where the client accepts gzip.
func deflateAnswer(c *fasthttp.RequestCtx) {
	if len(c.Response.Body()) < minDeflate {
		return
	}
	c.Response.Header.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	if !acceptsGzip(c.Request.Header.Peek(fasthttp.HeaderAcceptEncoding)) {
		return
	}
	spare := buffers.Get().(*[]byte)
	w := appendWriter{(*spare)[:0]}
	z := deflaters.Get().(*gzip.Writer)
	z.Reset(&w)
	_, err := z.Write(c.Response.Body())
	err = errors.Join(err, z.Close())
	deflaters.Put(z)
	if err != nil { // appendWriter cannot fail; the plain body stands
		return
	}
	*spare = c.Response.SwapBody(w.b)
	buffers.Put(spare)
	c.Response.Header.Set(fasthttp.HeaderContentEncoding, "gzip")
}

// acceptsGzip reads an Accept-Encoding: gzip, x-gzip or * without q=0.
func acceptsGzip(header []byte) bool {
	for len(header) > 0 {
		var item []byte
		item, header, _ = bytes.Cut(header, []byte(","))
		name, params, _ := bytes.Cut(item, []byte(";"))
		name = bytes.TrimSpace(name)
		if !ascii.EqualFold(name, "gzip") && !ascii.EqualFold(name, "x-gzip") && string(name) != "*" {
			continue
		}
		q, weighted := bytes.CutPrefix(bytes.ToLower(bytes.TrimSpace(params)), []byte("q="))
		return !weighted || len(bytes.Trim(q, "0. ")) > 0
	}
	return false
}
