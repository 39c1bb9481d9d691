package batcher

import (
	"math/bits"
	"time"
)

// speed estimates how long batches run. It keeps a moving average of rows and time for each power of two, interpolates linearly
// between these points, and keeps how far the slowest 1 % of runs lies above the lines. Batcher.mu guards it.
type speed struct {
	seen   [32]point // seen[i]: batches of (2^(i-1), 2^i] rows
	line   []point   // those that were seen, in ascending order
	spread tail      // ratio of a run's time to the estimate
}

// point is a batch size and the time it takes.
type point struct{ rows, took float64 }

func sizeClass(rows int) int { return min(bits.Len(uint(max(rows, 1)-1)), len(speed{}.seen)-1) }

// observe adds a measured run, with a weight of one eighth.
func (s *speed) observe(rows int, run time.Duration) {
	if expected := s.latency(rows); expected > 0 {
		s.spread.at = s.worst() // one disturbed run at the beginning must not decide for all
		s.spread.observe(float64(run) / float64(expected))
	}
	p := &s.seen[sizeClass(rows)]
	if p.took == 0 {
		*p = point{float64(rows), float64(run)}
	} else {
		p.rows += (float64(rows) - p.rows) / 8
		p.took += (float64(run) - p.took) / 8
	}
	s.draw()
}

// slowdown bounds the estimate for a larger batch to this multiple of the time that the next smaller size takes for as many rows.
// Otherwise a disturbed first run could make the estimate so high that the size is never run and measured again.
const slowdown = 2

func (s *speed) draw() {
	s.line = s.line[:0]
	for _, p := range s.seen {
		if p.took == 0 {
			continue
		}
		if n := len(s.line); n > 0 {
			last := s.line[n-1]
			p.rows = max(p.rows, last.rows+1e-6)
			p.took = min(max(p.took, last.took), slowdown*last.took*p.rows/last.rows)
		}
		s.line = append(s.line, p)
	}
}

// latency estimates the run of a batch of that many rows. 0 means that nothing has run yet.
func (s *speed) latency(rows int) time.Duration {
	n, x := len(s.line), float64(rows)
	switch {
	case n == 0:
		return 0
	case n == 1 && x <= s.line[0].rows: // part of the time does not depend on the size; how much is not known
		return time.Duration(s.line[0].took)
	case n == 1:
		return time.Duration(s.line[0].took * x / s.line[0].rows)
	}
	i := 1
	for i < n-1 && x > s.line[i].rows {
		i++
	}
	a, b := s.line[i-1], s.line[i]
	took := a.took + (x-a.rows)*(b.took-a.took)/(b.rows-a.rows)
	return time.Duration(max(took, a.took*min(1, x/a.rows)))
}

// worst is the factor, at least 1, on the estimate within which 99 % of the batches run.
func (s *speed) worst() float64 { return s.spread.above(1) }

// fit returns the largest batch of at most `most` rows that runs within the time, if it takes margin times the estimate; 0 if none
// does.
func (s *speed) fit(within time.Duration, most int, margin float64) int {
	within = time.Duration(float64(within) / margin)
	if s.latency(most) <= within {
		return most
	}
	fits := 0
	for most-fits > 1 {
		if half := (most + fits) / 2; s.latency(half) <= within {
			fits = half
		} else {
			most = half
		}
	}
	return fits
}

// drain estimates how long the rows that wait keep all instances busy.
func (s *speed) drain(rows, batch, instances int) time.Duration {
	batches := (rows + batch - 1) / batch
	return s.latency(batch) * time.Duration(batches) / time.Duration(instances)
}

// tail estimates the 99th percentile of a series of positive numbers, in constant memory. It rises by 99 steps if a number lies
// above it and falls by one step if not. So it settles where one number in a hundred lies above it (stochastic approximation, H.
// Robbins and S. Monro 1951).
type tail struct{ at float64 }

const tailStep = 0.0005

func (t *tail) observe(x float64) {
	switch {
	case t.at == 0:
		t.at = x
	case x > t.at:
		t.at = min(t.at*(1+99*tailStep), x)
	default:
		t.at *= 1 - tailStep
	}
}

// above returns the percentile, or least if that is larger.
func (t *tail) above(least float64) float64 { return max(t.at, least) }

// pace estimates how fast rows arrive. Batcher.mu guards it.
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
