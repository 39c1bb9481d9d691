package rest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"shoal/internal/backlog"
	"shoal/tensor"
)

const (
	// acceptGrace is how long connections that are in the backlog are still accepted after stopping has begun.
	acceptGrace = 20 * time.Millisecond
	// maxAcceptGrace bounds this time if new connections keep arriving.
	maxAcceptGrace = time.Second
	// maxPiece bounds how much is written at once. Smaller pieces would make large answers slower.
	maxPiece = 64 << 10
	// maxAcceptPause is the longest pause between two attempts to accept.
	maxAcceptPause = time.Second
)

// listener accepts connections that can linger, and keeps the open ones.
type listener struct {
	net.Listener
	log      *slog.Logger
	budget   *tensor.Budget
	piece    int           // bytes of an answer that are written at once
	stopping chan struct{} // closed by stop
	once     sync.Once     // for stop
	shut     sync.Once     // for Close
	mu       sync.Mutex
	conns    map[*conn]struct{}
	end      time.Time // of accepting, once it is stopped
}

// newListener makes a listener whose connections are watched for a rate of so many bytes per second; 0: they are not.
func newListener(ln net.Listener, log *slog.Logger, budget *tensor.Budget, rate int64) *listener {
	piece := maxPiece
	if rate > 0 { // an honest reader takes several in a window
		piece = int(min(max(rate*int64(paceWindow/time.Second)/4, 1), maxPiece))
	}
	return &listener{Listener: ln, log: log, budget: budget, piece: piece, stopping: make(chan struct{}), conns: make(map[*conn]struct{})}
}

// Accept returns io.EOF, which ends the server's loop without an error, when the listener has been stopped. It retries after
// temporary errors, for example if the process is out of file descriptors.
func (l *listener) Accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		nc, err := l.Listener.Accept()
		if err == nil {
			c := &conn{Conn: nc, listener: l}
			c.lease.Open(l.budget)
			c.enter(working)
			l.mu.Lock()
			l.conns[c] = struct{}{}
			l.mu.Unlock()
			return c, nil
		}
		select {
		case <-l.stopping:
			if backlog.Waiting(l.Listener) && l.extend() {
				continue
			}
			return nil, io.EOF
		default:
		}
		if !backlog.Passes(err) {
			return nil, err
		}
		pause = min(max(2*pause, 5*time.Millisecond), maxAcceptPause)
		l.log.Warn("cannot accept a connection, trying again", slog.Any("error", err), slog.Duration("in", pause))
		select {
		case <-l.stopping:
			return nil, io.EOF
		case <-time.After(pause):
		}
	}
}

// stop ends Accept. Closing the socket at once would reset clients that are connected but not accepted yet, so these are accepted
// first.
func (l *listener) stop() {
	l.once.Do(func() { close(l.stopping) })
	l.mu.Lock()
	l.end = time.Now().Add(maxAcceptGrace)
	l.mu.Unlock()
	if !l.extend() {
		_ = l.Close()
	}
}

// extend lets Accept go on for a short time, unless it has gone on for long or the listener is of another kind.
func (l *listener) extend() bool {
	l.mu.Lock()
	over := !time.Now().Before(l.end)
	l.mu.Unlock()
	d, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	return ok && !over && d.SetDeadline(time.Now().Add(acceptGrace)) == nil
}

// Close closes the socket, once.
func (l *listener) Close() (err error) {
	l.shut.Do(func() { err = l.Listener.Close() })
	return err
}

// open returns the number of connections that are not closed.
func (l *listener) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// waitClosed waits until all connections are closed, for at most d and until ctx ends.
func (l *listener) waitClosed(ctx context.Context, d time.Duration) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); l.open() > 0 && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// closeUnused closes the connections on which nothing has arrived yet. Clients open some in advance. The server would wait for
// their first request; connections after a first request are idle, and the server closes them.
func (l *listener) closeUnused() {
	l.mu.Lock()
	var unused []*conn
	for c := range l.conns {
		if c.moved.Load() == 0 {
			unused = append(unused, c)
		}
	}
	l.mu.Unlock()
	for _, c := range unused {
		_ = c.Close()
	}
}

// abort cuts every open connection.
func (l *listener) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Conn.Close()
	}
}
