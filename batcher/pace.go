package batcher

import "time"

// pace follows how fast rows arrive. Batcher.mu guards it.
type pace struct {
	last      time.Time
	gap, rows float64 // moving averages: seconds between entries, rows of an entry
}

const paceWeight = 1.0 / 256

func (p *pace) observe(now time.Time, rows int) {
	if !p.last.IsZero() {
		p.gap += (now.Sub(p.last).Seconds() - p.gap) * paceWeight
	}
	p.last = now
	p.rows += (float64(rows) - p.rows) * paceWeight
}

// rate is rows per second; 0 until something arrived twice.
func (p *pace) rate() float64 {
	if p.gap <= 0 {
		return 0
	}
	return p.rows / p.gap
}

// entries is entries per second; 0 until something arrived twice.
func (p *pace) entries() float64 {
	if p.gap <= 0 {
		return 0
	}
	return 1 / p.gap
}
