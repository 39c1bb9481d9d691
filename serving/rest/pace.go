package rest

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// DefaultMinTransferRate is the rate of the slowest networks in use: 128 kbit/s.
const DefaultMinTransferRate = 16 << 10

const (
	// paceWindow is the time over which a connection must have the minimum rate. It is long enough for a pause of the network or
	// of a client's garbage collector, and for all small requests and answers on any network.
	paceWindow = 10 * time.Second
	paceTick   = 2 * time.Second
)

// The phases of a connection. The minimum rate is for the first two.
const (
	receiving = iota
	sending
	working // on a request, or waiting for one
	phases
)

// pace is the phase of a connection, and how many bytes it has transferred. The goroutine that serves it writes them; the watch
// reads them.
type pace struct {
	phase atomic.Uint64 // the phase, and the number of changes before it
	moved atomic.Int64  // bytes, both ways

	// Only the watch uses these: the phase that it saw last, when, and how many bytes had been transferred then.
	seen     uint64
	since    time.Time
	progress int64
	cut      atomic.Bool // the connection was too slow
}

// enter begins a phase.
func (p *pace) enter(phase uint64) {
	n := p.phase.Load()
	p.phase.Store(n - n%phases + phases + phase)
}

// late reports whether a connection is too slow when the watch checks it.
func (p *pace) late(now time.Time, rate int64) bool {
	phase, moved := p.phase.Load(), p.moved.Load()
	if phase != p.seen || phase%phases == working {
		p.seen, p.since, p.progress = phase, now, moved
		return false
	}
	took := now.Sub(p.since)
	if took < paceWindow {
		return false
	}
	slow := float64(moved-p.progress) < float64(rate)*took.Seconds()
	p.since, p.progress = now, moved
	return slow
}

// watch cuts off connections that carry a request or an answer more slowly than rate bytes per second, until ctx ends.
func (l *listener) watch(ctx context.Context, rate int64) {
	tick := time.NewTicker(paceTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			l.mu.Lock()
			for c := range l.conns {
				if c.late(now, rate) {
					c.cutOff()
				}
			}
			l.mu.Unlock()
		}
	}
}

// cutOff ends the read or write of a connection. A request that was too slow is still answered.
func (c *conn) cutOff() {
	c.cut.Store(true)
	past := time.Unix(1, 0)
	if c.phase.Load()%phases == sending {
		_ = c.Conn.SetWriteDeadline(past)
	} else {
		_ = c.Conn.SetReadDeadline(past)
	}
}

// errSlow is the error of a request that arrived too slowly.
func (s *Server) errSlow(c *fasthttp.RequestCtx) error {
	text := fmt.Sprintf("The request did not arrive within %v", transferTimeout)
	if connOf(c).cut.Load() {
		text = fmt.Sprintf("The request arrived more slowly than --min_transfer_rate=%d bytes per second over %v", s.opt.MinTransferRate, paceWindow)
	}
	return &httpError{http.StatusRequestTimeout, text}
}
