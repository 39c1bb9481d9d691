package telemetry

import (
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/status"
)

// rejectionPause is the least time between two lines about rejected requests of one model for one reason.
const rejectionPause = 10 * time.Second

// rejections logs rejected requests: the first one at once; then, while requests are rejected, one line per pause with the number
// since the last line.
type rejections struct {
	log *slog.Logger

	mu     sync.Mutex
	open   map[rejection]*burst // those with a line less than a pause ago
	closed bool
	timers sync.WaitGroup
}

// rejection is the subject of a line. The model is one that was loaded, and there are few reasons, so the number of lines is
// bounded.
type rejection struct{ model, reason string }

// burst counts what happened since the last line.
type burst struct {
	n     int
	last  error
	timer *time.Timer
}

// add counts one rejection. A client that left is not counted.
func (r *rejections) add(model, reason string, err error) {
	if reason == "cancelled" {
		return
	}
	k := rejection{model, reason}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch b := r.open[k]; {
	case b != nil:
		b.n++
		b.last = err
		return
	case !r.closed:
		if r.open == nil {
			r.open = make(map[rejection]*burst)
		}
		b = new(burst)
		r.open[k] = b
		r.timers.Add(1)
		b.timer = time.AfterFunc(rejectionPause, func() { r.paused(k, b) })
	}
	r.write(k, 1, err)
}

// paused writes the next line if more requests were rejected since the last one, and otherwise forgets the burst.
func (r *rejections) paused(k rejection, b *burst) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.n == 0 || r.closed {
		delete(r.open, k)
		r.timers.Done()
		return
	}
	r.write(k, b.n, b.last)
	b.n, b.last = 0, nil
	b.timer.Reset(rejectionPause)
}

func (r *rejections) write(k rejection, n int, err error) {
	r.log.Warn("requests rejected", slog.String("model", k.model), slog.String("reason", k.reason), slog.Int("requests", n),
		slog.String("error", status.Convert(err).Message()))
}

// close writes the lines that are due, and waits for the timers. Each later rejection has its own line.
func (r *rejections) close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		for k, b := range r.open {
			if b.n > 0 {
				r.write(k, b.n, b.last)
			}
			if b.timer.Stop() {
				r.timers.Done()
			}
		}
		r.open = nil
	}
	r.mu.Unlock()
	r.timers.Wait()
}
