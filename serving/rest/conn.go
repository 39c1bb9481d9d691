package rest

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"shoal/tensor"
)

const (
	// lingerTime bounds how long data that a rejected client still sends is read and dropped, and lingerPause how long the client
	// may send nothing during that time. A client may send all of a large body before it reads the answer.
	lingerTime  = 30 * time.Second
	lingerPause = 2 * time.Second
	// deadlineSlack is how far a connection's deadline may be from the one asked for. The server sets it three times per request,
	// each time to minutes ahead. Changing the runtime's timers so often costs a tenth of a small request.
	deadlineSlack = time.Minute
)

// conn is a client's connection. If linger is set, Close first ends the sending half and drops what the client still sends. A
// socket that is closed with unread data is reset, and the client would not get its answer.
type conn struct {
	net.Conn
	listener *listener
	linger   atomic.Bool
	closed   atomic.Bool
	pace

	// Of the request that is being served, and of the goroutine that serves it.
	lease  tensor.Lease
	body   tensor.Buffer // a large body, until it is decoded
	answer *[]byte       // memory of a large answer, until it is written; nil: none

	readBy, writeBy atomic.Int64 // the deadlines that are set, in Unix nanoseconds
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.moved.Add(int64(n))
	return n, err
}

// Write writes in pieces, so that the watch sees the progress.
func (c *conn) Write(b []byte) (written int, err error) {
	c.enter(sending)
	defer c.enter(working)
	for {
		n, err := c.Conn.Write(b[:min(len(b), c.listener.piece)])
		written += n
		c.moved.Add(int64(n))
		if b = b[n:]; err != nil || len(b) == 0 {
			return written, err
		}
	}
}

func (c *conn) SetReadDeadline(t time.Time) error {
	if c.cut.Load() || !moved(&c.readBy, t) {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	if !moved(&c.writeBy, t) {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// moved reports whether t is far enough from the deadline that is set. If so, it notes t.
func moved(set *atomic.Int64, t time.Time) bool {
	var at int64
	if !t.IsZero() {
		at = t.UnixNano()
	}
	if d := time.Duration(at - set.Load()); d > -deadlineSlack && d < deadlineSlack {
		return false
	}
	set.Store(at)
	return true
}

func (c *conn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
		c.swallow()
	}
	return c.Conn.Close()
}

// swallow drops what the client sends until the client closes the connection too.
func (c *conn) swallow() {
	var buf [4 << 10]byte
	for end := time.Now().Add(lingerTime); time.Now().Before(end); {
		if c.Conn.SetReadDeadline(time.Now().Add(lingerPause)) != nil {
			return
		}
		if _, err := c.Conn.Read(buf[:]); err != nil {
			return
		}
	}
}

// state is fasthttp's hook for changes of a connection's state.
func state(nc net.Conn, s fasthttp.ConnState) {
	c := under(nc)
	switch s {
	case fasthttp.StateActive: // the first byte of a request has arrived
		c.enter(receiving)
	case fasthttp.StateIdle, fasthttp.StateClosed: // the answer is written, or cannot be sent
		c.enter(working)
		c.release()
	}
}

// release gives back what the request held.
func (c *conn) release() {
	c.body.Free()
	if c.answer != nil {
		tensor.FreeBlock(c.answer)
		c.answer = nil
	}
	c.lease.Free()
}

// connOf returns the connection of a request.
func connOf(c *fasthttp.RequestCtx) *conn { return under(c.Conn()) }

// under returns the connection below TLS.
func under(nc net.Conn) *conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if c, ok := nc.(*conn); ok {
		return c
	}
	return new(conn) // not from our listener, as in benchmarks
}
