package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// order is a request that is due.
type order struct {
	number       uint64
	due, noticed time.Duration
}

// startWorkers runs a goroutine for each client. In an open loop one more goroutine hands the orders out when they are due.
func (a *Attack) startWorkers(ctx context.Context, t Target, o Options) error {
	clients := make([]Client, 0, o.Clients)
	for i := range o.Clients {
		c, err := t.Open(ctx, i)
		if err != nil {
			for _, c := range clients {
				err = errors.Join(err, c.Close())
			}
			return fmt.Errorf("client %d of %d: %w", i+1, o.Clients, err)
		}
		clients = append(clients, c)
	}
	w := &workers{options: o, start: time.Now(), results: a.results}
	// The context's end interrupts sending, not the answers under way: those have their own timeout.
	go func() {
		defer close(a.results)
		var orders chan order
		var all sync.WaitGroup
		if o.Pacer != nil {
			orders = make(chan order, o.MaxBacklog)
			all.Go(func() { w.dispatch(ctx, orders) })
		}
		for _, c := range clients {
			all.Go(func() {
				w.work(ctx, c, orders)
				_ = c.Close()
			})
		}
		all.Wait()
		a.totals = Totals{Unsent: w.unsent.Load(), Overrun: w.overrun.Load(), Late: w.late}
	}()
	return nil
}

type workers struct {
	options Options
	start   time.Time
	results chan<- []Result
	next    atomic.Uint64 // number of the next request of a closed loop
	unsent  atomic.Uint64
	overrun atomic.Bool
	late    time.Duration // the dispatcher's, at the overrun
}

// dispatch hands out each order at its time, and closes the channel.
func (w *workers) dispatch(ctx context.Context, orders chan<- order) {
	defer close(orders)
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Duration(0)
	for n := uint64(0); w.options.Requests == 0 || n < w.options.Requests; n++ {
		if due = w.options.Pacer.Next(n, due); due >= w.options.Duration {
			return
		}
		if wait := due - time.Since(w.start); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		} else if ctx.Err() != nil {
			return
		}
		select {
		case orders <- order{n, due, time.Since(w.start)}:
		default:
			w.overrun.Store(true)
			w.late = time.Since(w.start) - due
			w.unsent.Add(1)
			return
		}
	}
}

// take is the next request for a worker.
func (w *workers) take(ctx context.Context, orders <-chan order) (order, bool) {
	if orders != nil {
		for o := range orders {
			// What could not be sent in time, for want of a free client, is not sent long after it.
			if ctx.Err() == nil && time.Since(w.start) < w.options.Duration+w.options.Timeout {
				return o, true
			}
			w.unsent.Add(1)
		}
		return order{}, false
	}
	now := time.Since(w.start)
	if ctx.Err() != nil || now >= w.options.Duration {
		return order{}, false
	}
	n := w.next.Add(1) - 1
	if w.options.Requests > 0 && n >= w.options.Requests {
		return order{}, false
	}
	return order{n, now, now}, true
}

func (w *workers) work(ctx context.Context, c Client, orders <-chan order) {
	out := collector{out: w.results}
	defer out.flush()
	for {
		o, ok := w.take(ctx, orders)
		if !ok {
			return
		}
		r := Result{Due: o.due, Noticed: o.noticed, Warmup: o.due < w.options.Warmup, Sent: time.Since(w.start)}
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.options.Timeout)
		c.Send(call, o.number, &r)
		cancel()
		r.Done = time.Since(w.start)
		out.add(&r)
		if r.Outcome == Broken && !w.pause(ctx) {
			return
		}
	}
}

// brokenPause keeps a client whose connection cannot be made from trying without end.
const brokenPause = 100 * time.Millisecond

func (w *workers) pause(ctx context.Context) bool {
	t := time.NewTimer(brokenPause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
