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
	// acceptGrace is how long connections that were already on their way are still accepted once stopping has begun.
	acceptGrace = 20 * time.Millisecond
	// maxAcceptGrace bounds that where some are always on their way.
	maxAcceptGrace = time.Second
	// maxPiece bounds what is written at once: less would cost time for large answers.
	maxPiece = 64 << 10
	// maxAcceptPause is the longest pause between two attempts to accept.
	maxAcceptPause = time.Second
)

// listener hands out connections that can linger and remembers the open ones.
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

// newListener prepares for a watch over connections that have to carry rate bytes per second; 0: none does.
func newListener(ln net.Listener, log *slog.Logger, budget *tensor.Budget, rate int64) *listener {
	piece := maxPiece
	if rate > 0 { // an honest reader takes several in a window
		piece = int(min(max(rate*int64(paceWindow/time.Second)/4, 1), maxPiece))
	}
	return &listener{Listener: ln, log: log, budget: budget, piece: piece, stopping: make(chan struct{}), conns: make(map[*conn]struct{})}
}

// Accept returns io.EOF, which ends the server's loop without an error, when the listener has been stopped. It waits out
// what passes, such as a process that is out of file descriptors.
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

// stop ends Accept. Closing the socket at once would reset clients that are connected but not yet accepted, so those
// are taken in first.
func (l *listener) stop() {
	l.once.Do(func() { close(l.stopping) })
	l.mu.Lock()
	l.end = time.Now().Add(maxAcceptGrace)
	l.mu.Unlock()
	if !l.extend() {
		_ = l.Close()
	}
}

// extend lets Accept go on a little, unless it has gone on for long or the listener is of another kind.
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

// open is the number of connections that have not been closed.
func (l *listener) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// waitClosed waits for all connections to be closed, at most d and until ctx ends.
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

// closeUnused closes the connections on which nothing has ever arrived: clients open some to have them ready. The server
// would wait for their first request; those that have had one it knows as idle.
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
