package json

import (
	"math/big"
	"math/bits"
)

// power is the first 128 bits of a power of ten, rounded down; the highest bit is set.
type power struct{ hi, lo uint64 }

// The exponents of the powers that reading and printing float64s needs.
const minPower, maxPower = -342, 324

var powers = func() (p [maxPower - minPower + 1]power) {
	ten := big.NewInt(10)
	set := func(e int, x *big.Int) { // x has 128 bits
		var b [16]byte
		x.FillBytes(b[:])
		for i := range 8 {
			p[e-minPower].hi = p[e-minPower].hi<<8 | uint64(b[i])
			p[e-minPower].lo = p[e-minPower].lo<<8 | uint64(b[8+i])
		}
	}
	x, y := big.NewInt(1), new(big.Int)
	for e := range maxPower + 1 {
		if n := x.BitLen(); n <= 128 {
			set(e, y.Lsh(x, uint(128-n)))
		} else {
			set(e, y.Rsh(x, uint(n-128)))
		}
		x.Mul(x, ten)
	}
	x.SetInt64(1)
	for e := -1; e >= minPower; e-- {
		x.Mul(x, ten)
		// 2^(127+n)/10^-e is between 2^127 and 2^128 if n is the number of bits of 10^-e, which is not a power of two.
		y.Lsh(big.NewInt(1), uint(127+x.BitLen()))
		set(e, y.Quo(y, x))
	}
	return p
}()

// floorLog2 returns ⌊log2(10^e)⌋ for |e| ≤ 1233.
func floorLog2(e int) int { return e * 1741647 >> 19 }

// eiselLemire returns m·10^e, correctly rounded, for m ≠ 0. ok is false in the rare cases that 128 bits of the power do not
// decide, and outside the normal range (D. Lemire, "Number Parsing at a Gigabyte per Second", 2021).
func eiselLemire(m uint64, e int) (b uint64, ok bool) {
	if e < minPower || e > 308 {
		return 0, false
	}
	p := &powers[e-minPower]
	zeros := bits.LeadingZeros64(m)
	m <<= zeros
	exponent := floorLog2(e) + 64 + 1023 - zeros

	// The product with the upper half is too small by less than m. If that could carry into the bits that count, add the lower
	// half.
	hi, lo := bits.Mul64(m, p.hi)
	if hi&0x1ff == 0x1ff && lo+m < lo {
		more, rest := bits.Mul64(m, p.lo)
		var carry uint64
		lo, carry = bits.Add64(lo, more, 0)
		hi += carry
		if hi&0x1ff == 0x1ff && lo == 1<<64-1 && rest+m < rest {
			return 0, false
		}
	}
	top := hi >> 63 // the product has 128 bits or one less
	mantissa := hi >> (top + 9)
	exponent -= 1 - int(top)
	if lo == 0 && hi&0x1ff == 0 && mantissa&3 == 1 {
		return 0, false // perhaps exactly between two numbers
	}
	mantissa = (mantissa + mantissa&1) >> 1
	if mantissa == 1<<53 {
		mantissa >>= 1
		exponent++
	}
	if exponent < 1 || exponent > 2046 {
		return 0, false
	}
	return uint64(exponent)<<52 | mantissa&(1<<52-1), true
}
