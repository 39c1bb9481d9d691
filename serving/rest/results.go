package rest

import (
	"net/http"

	"github.com/valyala/fasthttp"

	"shoal/tensor"
)

// smallAnswer is the size up to which an answer is written into the connection's own buffer.
const smallAnswer = maxIdleBuffer / 2

// respond encodes a successful answer straight into the response's buffer, which counts against the budget until it is written.
// size is about how large it is going to be; 0: small.
func (c *call) respond(size int, encode func(dst []byte) ([]byte, error)) error {
	resp, k := &c.http.Response, c.conn
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
	resp.Header.SetContentType(contentJSON)
	deflateAnswer(c.http)
	return nil
}

// textSize is about how long tensors are as JSON: a byte of an integer, or of a fraction, takes four at most.
func textSize(outputs []tensor.Tensor) (n int) {
	for i := range outputs {
		n += 4 * len(outputs[i].Data)
		for _, s := range outputs[i].Strings {
			n += 2*len(s) + 8
		}
	}
	return n
}

// writeJSON answers with a document.
func writeJSON(c *fasthttp.RequestCtx, code int, document []byte) {
	c.Response.SetStatusCode(code)
	c.Response.Header.SetContentType(contentJSON)
	c.Response.SetBody(document)
	if code == http.StatusOK {
		deflateAnswer(c)
	}
}
