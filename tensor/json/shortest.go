package json

import (
	"math"
	"math/bits"
)

// Schubfach finds the shortest decimals that read back as a number, and of these the closest to it (R. Giulietti, "The Schubfach
// way to render doubles", 2020). It makes three products, each with the power of ten that brings the number to the scale of its
// last digit. The lowest bit of a product is "sticky": it is 1 if a part was cut off.

// floorLog10 returns ⌊log10(2^q)⌋, or ⌊log10(3/4·2^q)⌋ if narrow is 1.
func floorLog10(q, narrow int) int { return (q*1262611 - narrow*524031) >> 22 }

// shortest64 returns d and k with d·10^k the shortest decimal for the finite number with these bits, which is not zero
// and whose sign is ignored. d may have trailing zeros.
func shortest64(b uint64) (d uint64, k int) {
	c, q := b&(1<<52-1), int(b>>52&0x7ff)
	narrow := 0 // 1 if the number below is nearer than the one above
	if q != 0 {
		if c == 0 && q > 1 {
			narrow = 1
		}
		c |= 1 << 52
		q -= 1075
		if -52 <= q && q <= 0 && c&(1<<-q-1) == 0 {
			return c >> -q, 0 // a whole number
		}
	} else {
		q = -1074
	}
	k = floorLog10(q, narrow)
	shift := q + floorLog2(-k) + 1
	g := powers[-k-minPower]
	if k > 0 || k < -55 { // not exact: round up
		var carry uint64
		g.lo, carry = bits.Add64(g.lo, 1, 0)
		g.hi += carry
	}
	below := sticky64(g, (4*c-2+uint64(narrow))<<shift)
	value := sticky64(g, 4*c<<shift)
	above := sticky64(g, (4*c+2)<<shift)
	odd := c & 1 // an even number's interval includes its ends
	d, up := decide(value, below+odd, above-odd)
	return d, k + up
}

func sticky64(g power, c uint64) uint64 {
	carry, _ := bits.Mul64(g.lo, c)
	hi, lo := bits.Mul64(g.hi, c)
	lo, over := bits.Add64(lo, carry, 0)
	hi += over
	if lo > 1 {
		hi |= 1
	}
	return hi
}

// shortest32 is shortest64 for a float32.
func shortest32(b uint32) (d uint64, k int) {
	c, q := b&(1<<23-1), int(b>>23&0xff)
	narrow := 0
	if q != 0 {
		if c == 0 && q > 1 {
			narrow = 1
		}
		c |= 1 << 23
		q -= 150
		if -23 <= q && q <= 0 && c&(1<<-q-1) == 0 {
			return uint64(c >> -q), 0
		}
	} else {
		q = -149
	}
	k = floorLog10(q, narrow)
	shift := q + floorLog2(-k) + 1
	g := powers[-k-minPower].hi
	if k > 0 || k < -27 {
		g++
	}
	below := sticky32(g, (4*c-2+uint32(narrow))<<shift)
	value := sticky32(g, 4*c<<shift)
	above := sticky32(g, (4*c+2)<<shift)
	odd := uint64(c & 1)
	d, up := decide(value, below+odd, above-odd)
	return d, k + up
}

func sticky32(g uint64, c uint32) uint64 {
	hi, lo := bits.Mul64(g, uint64(c))
	if lo>>32 > 1 {
		hi |= 1
	}
	return hi
}

// decide chooses the decimal from four times the value and the ends of its interval: one with a digit less if there is one inside
// (then up is 1), otherwise the nearer of the two next to the value.
func decide(value, lower, upper uint64) (d uint64, up int) {
	s := value / 4
	if s >= 10 {
		t := s / 10
		down, above := lower <= 40*t, 40*t+40 <= upper
		if down != above {
			if above {
				t++
			}
			return t, 1
		}
	}
	down, above := lower <= 4*s, 4*s+4 <= upper
	if down != above {
		if above {
			s++
		}
		return s, 0
	}
	if middle := 4*s + 2; value > middle || value == middle && s&1 != 0 {
		s++
	}
	return s, 0
}

// AppendFloat32 appends the shortest digits that read back as v: with ".0" for whole numbers, an exponent for very large
// and very small ones, and NaN, Infinity or -Infinity.
func AppendFloat32(dst []byte, v float32) []byte {
	b := math.Float32bits(v)
	if b&0x7f800000 == 0x7f800000 {
		return appendSpecial(dst, float64(v))
	}
	if b>>31 != 0 {
		dst = append(dst, '-')
	}
	if b<<1 == 0 {
		return append(dst, "0.0"...)
	}
	d, k := shortest32(b)
	return appendDecimal(dst, d, k)
}

// AppendFloat64 is AppendFloat32 for a float64.
func AppendFloat64(dst []byte, v float64) []byte {
	b := math.Float64bits(v)
	if b&(0x7ff<<52) == 0x7ff<<52 {
		return appendSpecial(dst, v)
	}
	if b>>63 != 0 {
		dst = append(dst, '-')
	}
	if b<<1 == 0 {
		return append(dst, "0.0"...)
	}
	d, k := shortest64(b)
	return appendDecimal(dst, d, k)
}

func appendSpecial(dst []byte, v float64) []byte {
	switch {
	case v > 0:
		return append(dst, "Infinity"...)
	case v < 0:
		return append(dst, "-Infinity"...)
	}
	return append(dst, "NaN"...)
}
