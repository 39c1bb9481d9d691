package batcher

import (
	"time"

	"shoal/tensor"
)

// meterFrom is the processor time from which on it is measured. To measure takes up to 2 µs, and a run that is much shorter than the
// slices of time that the kernel gives is seldom interrupted.
const meterFrom = 250 * time.Microsecond

// jump bounds what a run that was not measured is believed to have used, to so many times what was expected: the time that passes is
// longer where the kernel interrupted the run. If it did use more, the next ones are expected to, and are soon measured.
const jump = 4

// meter tells what the runs of a batch use, which is what they are charged for: their processor time, or the time that passes where the
// executor does not say. It is its worker's.
type meter struct {
	expected time.Duration // of the batch; 0: not known
	used     time.Duration // by the batch so far
	told     bool
}

func (m *meter) begin(expected time.Duration) { *m = meter{expected: expected} }

// run runs the batch, and tells what it used.
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

// take is what the batch used, once.
func (m *meter) take() time.Duration {
	if m.told {
		return 0
	}
	m.told = true
	return m.used
}
