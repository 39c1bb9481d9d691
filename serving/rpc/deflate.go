package rpc

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
	"google.golang.org/grpc/encoding"
)

// gRPC's compression "deflate" is the format of zlib, of which grpc-go has only gzip. A client that uses it is answered alike.
func init() { encoding.RegisterCompressor(new(deflate)) }

// deflate keeps the compressors' memory, which is large, for the next message.
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

// deflateWriter goes back to its pool when it is closed.
type deflateWriter struct {
	*zlib.Writer
	pool *sync.Pool
}

func (w *deflateWriter) Close() error {
	defer w.pool.Put(w)
	return w.Writer.Close()
}

// deflateReader goes back to its pool at the message's end; one that is not read so far is left to the collector.
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
