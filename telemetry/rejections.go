package telemetry

import (
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/status"
)

// rejectionPause is the time between two lines on rejected requests of one model for one reason.
const rejectionPause = 10 * time.Second

// rejections writes a line to the log when requests are rejected: at once for the first, and then, while it goes on, one line
// with the number of all since the last one.
type rejections struct {
	log *slog.Logger

	mu     sync.Mutex
	open   map[rejection]*burst // those told of less than a pause ago
	closed bool
	timers sync.WaitGroup
}

// rejection is what a line is about; the model is one that was loaded, and there are few reasons.
type rejection struct{ model, reason string }

// burst is what happened since the last line.
type burst struct {
	n     int
	last  error
	timer *time.Timer
}

// add counts one rejection. Clients that left by themselves are none.
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

// paused writes the next line where more was rejected since the last one, and otherwise forgets the matter.
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

// close writes what has not been written yet, and waits for the timers. Rejections that come later have a line each.
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
