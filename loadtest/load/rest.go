package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
)

// REST sends bodies as POST requests to one URL over keep-alive connections. The requests' bytes are made once.
type REST struct {
	address string // host:port
	url     *url.URL
	tls     *tls.Config // nil: plain HTTP
	check   Checker     // nil: any answer with code 200 is good
	bodies  []Body
	wires   [][]byte // whole requests, headers and body
}

// NewREST makes a target of a URL. t is used for https, and key is sent as Authorization: Bearer, where there is one.
func NewREST(to string, bodies []Body, check Checker, t *tls.Config, key ...string) (*REST, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an http or https URL", to)
	}
	if len(bodies) == 0 {
		return nil, errors.New("there is no request to send")
	}
	r := &REST{url: u, check: check, bodies: bodies}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
		r.tls = &tls.Config{ServerName: u.Hostname()}
		if t != nil {
			r.tls = t.Clone()
			r.tls.ServerName = u.Hostname()
		}
	}
	r.address = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
	authorization := ""
	for _, k := range key {
		authorization = "Authorization: " + Bearer + k + "\r\n"
	}
	for _, b := range bodies {
		w := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: shoal-bench\r\n%s%sContent-Type: application/json\r\nContent-Length: ",
			u.RequestURI(), u.Host, authorization, b.Headers)
		w = strconv.AppendInt(w, int64(len(b.Data)), 10)
		w = append(append(w, "\r\n\r\n"...), b.Data...)
		r.wires = append(r.wires, w)
	}
	return r, nil
}

// lean reports whether the lean client can speak to the target: it knows plain connections only.
func (r *REST) lean() bool { return r.tls == nil && lanesWork }

// Close has nothing to end: each client has its own connection.
func (r *REST) Close() error { return nil }

// Open makes a connection of its own for the client.
func (r *REST) Open(ctx context.Context, _ int) (Client, error) {
	c := &restClient{target: r}
	return c, c.dial(ctx)
}

// judge fills in what the answer says.
func (r *REST) judge(body int, resp *response, res *Result) {
	res.Code = int32(resp.code)
	res.Server = resp.server
	res.Rows = int32(r.bodies[body].Rows)
	switch {
	case resp.code != http.StatusOK:
		res.Outcome = Refused
	case r.check != nil && !r.check.Check(body, resp.body):
		res.Outcome = Wrong
	default:
		res.Outcome = Good
	}
}

// restClient is a connection with blocking reads and writes: the way for TLS, where the lean client cannot go.
type restClient struct {
	target *REST
	conn   net.Conn
	buf    []byte
}

func (c *restClient) dial(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.target.address)
	if err != nil {
		return err
	}
	if c.target.tls != nil {
		t := tls.Client(conn, c.target.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			return errors.Join(err, conn.Close())
		}
		conn = t
	}
	c.conn = conn
	return nil
}

// Send writes a request and reads its answer. A connection that failed is made anew for the next one.
func (c *restClient) Send(ctx context.Context, number uint64, res *Result) {
	i := int(number % uint64(len(c.target.wires)))
	res.Outcome = Broken
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			return
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.conn.SetDeadline(deadline)
	}
	resp, err := c.exchange(c.target.wires[i])
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			res.Outcome = TimedOut
		}
		c.drop()
		return
	}
	c.target.judge(i, &resp, res)
	if resp.close {
		c.drop()
	}
}

func (c *restClient) exchange(wire []byte) (response, error) {
	if _, err := c.conn.Write(wire); err != nil {
		return response{}, err
	}
	c.buf = c.buf[:0]
	for need, eof := 0, false; ; {
		c.buf = room(c.buf, need)
		n, err := c.conn.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		if err != nil {
			if !errors.Is(err, io.EOF) || eof {
				return response{}, err
			}
			eof = true
		}
		if len(c.buf) < need && !eof {
			continue
		}
		resp, length, wants, err := parseResponse(c.buf, eof)
		if err != nil || length > 0 {
			return resp, err
		}
		if eof {
			return resp, io.ErrUnexpectedEOF
		}
		need = wants
	}
}

// room makes space for at least need bytes in all, and for some more where that is not known.
func room(b []byte, need int) []byte {
	if want := max(need, len(b)+1); want > cap(b) {
		return append(make([]byte, 0, max(want, 2*cap(b), 4096)), b...)
	}
	return b
}

func (c *restClient) drop() {
	_ = c.conn.Close()
	c.conn = nil
}

// Close ends the connection.
func (c *restClient) Close() error {
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}
