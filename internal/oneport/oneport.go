//go:build unix

// Package oneport lets an HTTP/1 server and an HTTP/2 server share one listening socket, with TLS or without. It looks at the
// first bytes of a connection without consuming them (MSG_PEEK), so that each server gets the bare *net.TCPConn from its first
// byte on: after that a connection costs nothing more.
package oneport

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"shoal/internal/backlog"
)

// Options say what the two servers expect.
type Options struct {
	HTTP1TLS, HTTP2TLS bool          // whether the server's connections begin with a TLS handshake
	Patience           time.Duration // for the first bytes of a connection; then it is HTTP/1. 0: DefaultPatience
	Logger             *slog.Logger  // nil: nothing is logged
}

// DefaultPatience is long enough for a client's first packet. A client of HTTP/2 sends one as soon as it is connected.
const DefaultPatience = 10 * time.Second

// maxAcceptPause is the longest pause between two attempts to accept.
const maxAcceptPause = time.Second

// Listener hands out the connections of one protocol. It is a net.Listener with SetDeadline, for one server.
type Listener struct {
	socket *socket
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // closed when the deadline is another
}

// socket is what both listeners share.
type socket struct {
	net.Listener
	opt          Options
	http1, http2 *Listener
	failed       chan struct{} // closed when accepting has failed for good
	err          error         // why; set before failed is closed

	mu      sync.Mutex
	closed  bool
	pending map[net.Conn]struct{} // accepted, and not handed out yet
}

// Split begins to accept on l. l is closed with the first of the listeners: new clients of both are refused then, since the process
// stops. The other listener still hands out what was accepted, and its Accept blocks until its own Close.
func Split(l net.Listener, o Options) (http1, http2 *Listener) {
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &socket{Listener: l, opt: o, failed: make(chan struct{}), pending: make(map[net.Conn]struct{})}
	s.http1, s.http2 = newListener(s), newListener(s)
	go s.accept()
	return s.http1, s.http2
}

func newListener(s *socket) *Listener {
	return &Listener{socket: s, conns: make(chan net.Conn), closed: make(chan struct{}), moved: make(chan struct{})}
}

// accept takes connections in until the socket is closed or fails for good.
func (s *socket) accept() {
	for pause := time.Duration(0); ; {
		c, err := s.Listener.Accept()
		if err == nil {
			pause = 0
			s.hold(c)
			go s.route(c)
			continue
		}
		if s.isClosed() {
			return
		}
		if !backlog.Passes(err) {
			s.err = err
			close(s.failed)
			return
		}
		pause = min(max(2*pause, 5*time.Millisecond), maxAcceptPause)
		s.opt.Logger.Warn("cannot accept a connection, trying again", slog.Any("error", err), slog.Duration("in", pause))
		time.Sleep(pause)
	}
}

// route finds out a connection's protocol and hands it out. A connection that its client has closed is closed too.
func (s *socket) route(c net.Conn) {
	defer s.drop(c)
	to := s.http1
	switch protocol, err := s.identify(c); {
	case err != nil:
		c.Close()
		return
	case protocol == http2:
		to = s.http2
	}
	select {
	case to.conns <- c:
	case <-to.closed:
		c.Close()
	case <-s.failed:
		c.Close()
	}
}

func (s *socket) hold(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending[c] = struct{}{}
}

func (s *socket) drop(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, c)
}

func (s *socket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// close closes the socket, and does not wait any longer for the first bytes of silent clients.
func (s *socket) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for c := range s.pending {
		_ = c.SetReadDeadline(time.Now())
	}
	return s.Listener.Close()
}

// Accept returns the next connection of the protocol, net.ErrClosed after Close, os.ErrDeadlineExceeded after the deadline, or
// the socket's error.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		over, moved, stop := l.untilDeadline()
		select {
		case c := <-l.conns:
			stop()
			return c, nil
		case <-l.closed:
			stop()
			return nil, l.failed(net.ErrClosed)
		case <-l.socket.failed:
			stop()
			return nil, l.socket.err
		case <-over:
			return nil, l.failed(os.ErrDeadlineExceeded)
		case <-moved:
			stop()
		}
	}
}

func (l *Listener) failed(err error) error {
	a := l.Addr()
	return &net.OpError{Op: "accept", Net: a.Network(), Addr: a, Err: err}
}

// untilDeadline returns a channel that fires at the deadline, if there is one, and one that is closed when the deadline moves.
func (l *Listener) untilDeadline() (over <-chan time.Time, moved <-chan struct{}, stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deadline.IsZero() {
		return nil, l.moved, func() {}
	}
	t := time.NewTimer(time.Until(l.deadline))
	return t.C, l.moved, func() { t.Stop() }
}

// SetDeadline bounds Accept as net.TCPListener's does: of this protocol alone.
func (l *Listener) SetDeadline(t time.Time) error {
	select {
	case <-l.closed:
		return l.failed(net.ErrClosed)
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	close(l.moved)
	l.moved = make(chan struct{})
	return nil
}

// Close ends Accept, and closes the socket.
func (l *Listener) Close() error {
	err := l.failed(net.ErrClosed)
	l.once.Do(func() {
		close(l.closed)
		err = l.socket.close()
	})
	return err
}

// Addr is the socket's.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// Waiting reports whether a client waits to be accepted, of either protocol if that is not known yet.
func (l *Listener) Waiting() bool {
	s := l.socket
	s.mu.Lock()
	pending := len(s.pending) > 0
	s.mu.Unlock()
	return pending || backlog.Waiting(s.Listener)
}

var errNoConn = errors.New("oneport: the connection has no file descriptor")
