package batcher

import (
	"time"

	"shoal/tensor"
)

// meterFrom is the expected processor time from which it is measured. Measuring takes up to 2 µs, and the kernel seldom
// interrupts a run that is much shorter than its time slices.
const meterFrom = 250 * time.Microsecond

// jump bounds the processor time assumed for a run that was not measured to this multiple of the expected time, because elapsed
// time is longer if the kernel interrupted the run. If the run did use more, the expectation grows and the next runs are soon
// measured.
const jump = 4

// meter finds what the runs of a batch use, for which they are charged: their processor time, or the elapsed time if the executor
// does not report it. Each worker has its own.
type meter struct {
	expected time.Duration // for the batch; 0: not known
	used     time.Duration // by the batch so far
	taken    bool          // take has returned it
}

func (m *meter) begin(expected time.Duration) { *m = meter{expected: expected} }

// run runs the batch, and returns what it used.
func (m *meter) run(x Executor, b *tensor.Batch) (r *tensor.Result, used time.Duration, err error) {
	b.Unmetered = m.expected > 0 && m.expected < meterFrom
	start := time.Now()
	r, err = x.Run(b)
	used = time.Since(start)
	switch {
	case r != nil && r.CPU > 0:
		used = r.CPU
	case b.Unmetered:
		used = min(used, jump*m.expected)
	}
	m.used += used
	return r, used, err
}

// take returns what the batch used, at its first call; 0 afterwards.
func (m *meter) take() time.Duration {
	if m.taken {
		return 0
	}
	m.taken = true
	return m.used
}
