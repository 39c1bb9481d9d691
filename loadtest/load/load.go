// Package load sends requests to a model server and tells what became of each of them.
//
// In an open loop a pacer says when each request is due, whatever the server does; its latency counts from that moment, so
// that a server which stalls is charged for the requests that had to wait meanwhile. In a closed loop a fixed number of
// clients each wait for their answer before they send again. An attack is bounded in time, in requests and in connections,
// and gives its results as blocks on a channel that it closes once.
package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Body is a request ready to be sent, made once and sent often. For REST it is the JSON, for gRPC the message.
type Body struct {
	Data    []byte
	Rows    int    // instances in it; 0 where they are not known
	Headers string // of REST: further header lines, each with its line end
}

// Checker decides whether an answer is right. It must be safe for concurrent use; answer is valid only during the call.
type Checker interface {
	Check(body int, answer []byte) bool
}

// Target is a server and how to speak to it: REST or gRPC.
type Target interface {
	// Open makes what one client sends through. Opening several may share connections.
	Open(ctx context.Context, client int) (Client, error)
	// Close ends what the clients shared.
	Close() error
}

// Client sends one request at a time.
type Client interface {
	// Send waits for the answer, at most until the context's end, and fills the result's outcome, code and timings. It
	// reports a wrong answer as such when the checker says so.
	Send(ctx context.Context, number uint64, r *Result)
	Close() error
}

// Options bound and shape an attack. Duration and Clients are required.
type Options struct {
	Pacer    Pacer         // nil: a closed loop
	Clients  int           // connections, or calls at once; in an open loop requests beyond them wait their turn
	Duration time.Duration // nothing is sent after it
	Requests uint64        // nor after this many; 0: no such bound
	Warmup   time.Duration // results of requests due in this time, the first of Duration, are marked
	Timeout  time.Duration // of one request, from when it is sent; 0: 10 s
	Threads  int           // of the lean client; 0: one for every four processors
	// MaxBacklog bounds the requests that are due and wait for a free client; one more ends the attack's sending, and
	// the attack's totals say so. 0: 100,000.
	MaxBacklog int
}

const (
	defaultTimeout    = 10 * time.Second
	defaultMaxBacklog = 100_000
	blockSize         = 256 // results that travel together
	blocksAhead       = 256 // blocks on the channel before sending has to wait for the reader
)

// Validate fills in defaults and lists every fault.
func (o *Options) Validate() error {
	var faults []error
	if o.Duration <= 0 {
		faults = append(faults, errors.New("the duration must be positive"))
	}
	if o.Clients <= 0 {
		faults = append(faults, errors.New("at least one client is needed"))
	}
	if o.Warmup < 0 || o.Warmup >= o.Duration && o.Duration > 0 {
		faults = append(faults, fmt.Errorf("the warm-up of %v must be shorter than the duration of %v that it is part of", o.Warmup, o.Duration))
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxBacklog <= 0 {
		o.MaxBacklog = defaultMaxBacklog
	}
	if o.Threads <= 0 {
		o.Threads = max(1, runtime.NumCPU()/4)
	}
	o.Threads = min(o.Threads, max(1, o.Clients))
	return errors.Join(faults...)
}

// Attack is a run of requests under way.
type Attack struct {
	results chan []Result
	totals  Totals
	err     error
}

// Totals are what the results cannot tell. They are valid once the results' channel is closed.
type Totals struct {
	Unsent   uint64        // requests that were due and never sent: the backlog's bound was reached, or the time was over
	Overrun  bool          // the backlog's bound was reached
	Late     time.Duration // how late the generator itself was then
	Reopened uint64        // connections made anew
}

// Start opens the clients and begins to send; it returns an error when the first ones cannot be opened. The attack ends
// at its bounds or with ctx; the caller must read Results to the end.
func Start(ctx context.Context, t Target, o Options) (*Attack, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	a := &Attack{results: make(chan []Result, blocksAhead)}
	if r, ok := t.(*REST); ok && r.lean() {
		return a, a.startLanes(ctx, r, o)
	}
	return a, a.startWorkers(ctx, t, o)
}

// Results are blocks of results, in the order of answers within a connection. The channel is closed once all is done.
func (a *Attack) Results() <-chan []Result { return a.results }

// Totals is valid once the results' channel is closed.
func (a *Attack) Totals() Totals { return a.totals }

// Err says, once the results' channel is closed, what made sending impossible.
func (a *Attack) Err() error { return a.err }
