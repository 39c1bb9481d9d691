package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/internal/ascii"
	"shoal/tensor"
)

// minDeflate is the smallest body that is compressed. A smaller one fits into one or two packets anyway.
const minDeflate = 1 << 10

// maxPooledBuffer is the largest buffer kept for the next request.
const maxPooledBuffer = 4 << 20

var errInflated = errors.New("inflated body is larger than the limit")

// coding is how a body is compressed.
type coding int

const (
	identity coding = iota
	gzipped
	deflated // zlib's format, which HTTP calls deflate
)

// The memory of compressors is large (over 100 KiB for tables), so it is reused.
var (
	buffers   = bufferPool{sync.Pool{New: func() any { return new([]byte) }}}
	inflaters = sync.Pool{New: func() any { return new(inflater) }}
	gzippers  = sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
		return w
	}}
	deflaters = sync.Pool{New: func() any {
		w, _ := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed)
		return w
	}}
)

// bufferPool does not keep buffers that a rare large body has made large.
type bufferPool struct{ sync.Pool }

func (p *bufferPool) Put(b *[]byte) {
	if cap(*b) <= maxPooledBuffer {
		p.Pool.Put(b)
	}
}

type inflater struct {
	gzip gzip.Reader
	zlib io.ReadCloser // nil: none yet
	body bytes.Reader
}

// reset begins with the body.
func (z *inflater) reset(how coding) (io.Reader, error) {
	if how == gzipped {
		return &z.gzip, z.gzip.Reset(&z.body)
	}
	if z.zlib == nil {
		r, err := zlib.NewReader(&z.body)
		z.zlib = r
		return r, err
	}
	return z.zlib, z.zlib.(zlib.Resetter).Reset(&z.body, nil)
}

// contentCoding reads a Content-Encoding, in any case: gzip, deflate if that is allowed, or none. utf-8 is no encoding of this
// kind, and some clients send it.
func contentCoding(header []byte, deflate bool) (how coding, err error) {
	for len(header) > 0 {
		var name []byte
		name, header, _ = bytes.Cut(header, []byte(","))
		switch name = bytes.TrimSpace(name); {
		case len(name) == 0, ascii.EqualFold(name, "identity"), ascii.EqualFold(name, "utf-8"):
		case how == identity && (ascii.EqualFold(name, "gzip") || ascii.EqualFold(name, "x-gzip")):
			how = gzipped
		case how == identity && deflate && ascii.EqualFold(name, "deflate"):
			how = deflated
		default:
			known := "gzip"
			if deflate {
				known = "gzip, as deflate"
			}
			return identity, &httpError{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Encoding %q is not supported: send the body as %s or as it is", name, known)}
		}
	}
	return how, nil
}

// inflate appends the inflated body to dst. An empty body stays empty. The error is errInflated if the body inflates to more than
// limit bytes, and the buffer's if there is no memory for it.
func inflate(dst *tensor.Buffer, body []byte, how coding, limit int) error {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	z.body.Reset(body)
	defer z.body.Reset(nil)
	if len(body) == 0 {
		return nil
	}
	plain, err := z.reset(how)
	if err != nil {
		return errNotCoded(err)
	}
	for {
		room, err := dst.Room()
		if err != nil {
			return err
		}
		n, err := plain.Read(room)
		if n > 0 {
			dst.Wrote(n)
		}
		switch {
		case len(dst.Bytes()) > limit:
			return errInflated
		case err == io.EOF:
			return nil
		case err != nil:
			return errNotCoded(err)
		}
	}
}

func errNotCoded(err error) error {
	return status.Errorf(codes.InvalidArgument, "The request body is not what its Content-Encoding says: %v", err)
}

// appendWriter lets the compressor append to a slice.
type appendWriter struct{ b []byte }

func (w *appendWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// compressor is a gzip.Writer or a zlib.Writer.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

// compress compresses a large answer if the client accepts gzip, or deflate where that is allowed.
func compress(c *fasthttp.RequestCtx, deflate bool) {
	if len(c.Response.Body()) < minDeflate {
		return
	}
	c.Response.Header.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	accepted := c.Request.Header.Peek(fasthttp.HeaderAcceptEncoding)
	pool, name := &gzippers, "gzip"
	switch {
	case accepts(accepted, "gzip", "x-gzip", "*"):
	case deflate && accepts(accepted, "deflate"):
		pool, name = &deflaters, "deflate"
	default:
		return
	}
	spare := buffers.Get().(*[]byte)
	w := appendWriter{(*spare)[:0]}
	z := pool.Get().(compressor)
	z.Reset(&w)
	_, err := z.Write(c.Response.Body())
	err = errors.Join(err, z.Close())
	pool.Put(z)
	if err != nil { // appendWriter cannot fail; the body stays uncompressed
		return
	}
	*spare = c.Response.SwapBody(w.b)
	buffers.Put(spare)
	c.Response.Header.Set(fasthttp.HeaderContentEncoding, name)
}

// accepts reads whether an Accept-Encoding has one of the names, in lower case, without q=0. The first that it has decides.
func accepts(header []byte, names ...string) bool {
	for len(header) > 0 {
		var item []byte
		item, header, _ = bytes.Cut(header, []byte(","))
		name, params, _ := bytes.Cut(item, []byte(";"))
		name = bytes.TrimSpace(name)
		if !slices.ContainsFunc(names, func(n string) bool { return ascii.EqualFold(name, n) }) {
			continue
		}
		q, weighted := bytes.CutPrefix(bytes.ToLower(bytes.TrimSpace(params)), []byte("q="))
		return !weighted || len(bytes.Trim(q, "0. ")) > 0
	}
	return false
}
