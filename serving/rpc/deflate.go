package rpc

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
	"google.golang.org/grpc/encoding"
)

// gRPC's compression "deflate" is zlib's format. grpc-go has gzip only. A client that uses deflate is answered with deflate.
func init() { encoding.RegisterCompressor(new(deflate)) }

// deflate reuses the compressors' memory, which is large.
type deflate struct{ writers, readers sync.Pool }

func (*deflate) Name() string { return "deflate" }

func (d *deflate) Compress(w io.Writer) (io.WriteCloser, error) {
	z, ok := d.writers.Get().(*deflateWriter)
	if !ok {
		return &deflateWriter{zlib.NewWriter(w), &d.writers}, nil
	}
	z.Reset(w)
	return z, nil
}

func (d *deflate) Decompress(r io.Reader) (io.Reader, error) {
	z, ok := d.readers.Get().(*deflateReader)
	if !ok {
		fresh, err := zlib.NewReader(r)
		if err != nil {
			return nil, err
		}
		return &deflateReader{fresh, &d.readers}, nil
	}
	if err := z.Reader.(zlib.Resetter).Reset(r, nil); err != nil {
		d.readers.Put(z)
		return nil, err
	}
	return z, nil
}

// deflateWriter returns to its pool when it is closed.
type deflateWriter struct {
	*zlib.Writer
	pool *sync.Pool
}

func (w *deflateWriter) Close() error {
	defer w.pool.Put(w)
	return w.Writer.Close()
}

// deflateReader returns to its pool at the message's end. If it is not read to the end, the garbage collector frees it.
type deflateReader struct {
	io.Reader
	pool *sync.Pool
}

func (r *deflateReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		r.pool.Put(r)
	}
	return n, err
}
