package tensor

import "math"

// roundHalf rounds a float64 to the nearest 16-bit number with that many mantissa bits and that exponent bias, ties to even.
// Numbers beyond the largest become infinite.
func roundHalf(v float64, mantissa uint, bias int) uint16 {
	b := math.Float64bits(v)
	sign := uint16(b>>48) & 0x8000
	infinity := uint16(2*bias+1) << mantissa
	exponent := int(b>>52&0x7ff) - 1023 + bias
	fraction := b & (1<<52 - 1)
	switch {
	case math.IsNaN(v):
		return sign | infinity | 1<<(mantissa-1)
	case exponent > 2*bias:
		return sign | infinity
	}
	drop := 52 - mantissa // bits that are rounded away
	if exponent <= 0 {    // subnormal: the leading 1 becomes a bit of the fraction
		drop += uint(1 - exponent)
		if drop > 53 {
			return sign
		}
		fraction |= 1 << 52
		exponent = 0
	}
	half, kept := uint64(1)<<(drop-1), fraction>>drop
	rest := fraction & (1<<drop - 1)
	if rest > half || rest == half && kept&1 != 0 {
		kept++ // may carry into the exponent, up to infinity, as it should
	}
	return sign | (uint16(exponent)<<mantissa + uint16(kept))
}

// ToFloat16 rounds to the nearest half-precision number.
func ToFloat16(v float64) uint16 { return roundHalf(v, 10, 15) }

// ToBFloat16 rounds to the nearest bfloat16.
func ToBFloat16(v float64) uint16 { return roundHalf(v, 7, 127) }

// FromBFloat16 converts exactly.
func FromBFloat16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// FromFloat16 converts exactly.
func FromFloat16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, fraction := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero or subnormal: fraction·2^-24, exact in a float32
		return math.Float32frombits(math.Float32bits(float32(fraction)*0x1p-24) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
