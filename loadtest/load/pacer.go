package load

import (
	"math"
	"time"
)

// Pacer says when requests are due. It is a pure function: the same arguments give the same answer.
type Pacer interface {
	// Next is when request n, counted from 0, is due after the start; last is when the one before was (0 for the first).
	Next(n uint64, last time.Duration) time.Duration
	// Split is part i of k equal streams that together are this one.
	Split(i, k int) Pacer
	// Rate is the mean number of requests per second.
	Rate() float64
}

// Constant sends at even distances.
type Constant struct {
	PerSecond float64
	phase     float64 // of a split stream, in distances
}

// Next is due n distances after the start, not after the last one: no error adds up.
func (c Constant) Next(n uint64, _ time.Duration) time.Duration {
	return time.Duration((float64(n) + c.phase) / c.PerSecond * float64(time.Second))
}

// Split shifts the parts against each other.
func (c Constant) Split(i, k int) Pacer {
	return Constant{PerSecond: c.PerSecond / float64(k), phase: (c.phase + float64(i)) / float64(k)}
}

// Rate is the mean number of requests per second.
func (c Constant) Rate() float64 { return c.PerSecond }

// Poisson sends as independent users do: exponentially distributed gaps, the same for the same seed.
type Poisson struct {
	PerSecond float64
	Seed      uint64
}

// Next adds gap n to the last moment.
func (p Poisson) Next(n uint64, last time.Duration) time.Duration {
	// 53 random bits, the middle of their interval: never 0, whose logarithm is infinite.
	u := (float64(mix(p.Seed, n)>>11) + 0.5) / (1 << 53)
	return last + time.Duration(-math.Log(u)/p.PerSecond*float64(time.Second))
}

// Split relies on the sum of Poisson streams being one.
func (p Poisson) Split(i, k int) Pacer {
	if k == 1 {
		return p
	}
	return Poisson{PerSecond: p.PerSecond / float64(k), Seed: mix(p.Seed, uint64(i)^0x5eed<<32)}
}

// Rate is the mean number of requests per second.
func (p Poisson) Rate() float64 { return p.PerSecond }

// mix is SplitMix64 (G. Steele, D. Lea, C. Flood 2014) at position n of the stream that seed begins.
func mix(seed, n uint64) uint64 {
	z := seed + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
