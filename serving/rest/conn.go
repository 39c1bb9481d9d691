package rest

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

const (
	// lingerTime bounds how long what a refused client still sends is read and thrown away, and lingerPause how long it may
	// send nothing meanwhile. A client may well send a large body to its end before it looks for an answer.
	lingerTime  = 30 * time.Second
	lingerPause = 2 * time.Second
	// deadlineSlack is how far a connection's deadline may be from the one asked for. The server asks three times a
	// request, for minutes ahead each time; moving the runtime's timers so often costs a tenth of a small request.
	deadlineSlack = time.Minute
)

// conn is a client's connection. Where linger is set, closing it first ends the sending half and swallows what the
// client is still sending: closed with unread data, a socket is reset, and the client would not see its answer.
type conn struct {
	net.Conn
	listener *listener
	linger   atomic.Bool
	closed   atomic.Bool
	heard    atomic.Bool // something has arrived

	readBy, writeBy atomic.Int64 // the deadlines that are set, in Unix nanoseconds
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, err
}

func (c *conn) SetReadDeadline(t time.Time) error {
	if !moved(&c.readBy, t) {
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

// moved reports whether t is far enough from the deadline that is set, and then notes it.
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

// swallow throws away what the client sends until it closes, too.
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

// lingerOn makes a connection linger when it is closed, under TLS as well.
func lingerOn(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if c, ok := nc.(*conn); ok {
		c.linger.Store(true)
	}
}
