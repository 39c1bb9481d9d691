package json

import (
	"math"
	"strconv"
)

// decimal32 returns m·10^e as a float32, if one multiplication decides it; ok is false otherwise.
//
// The product of the float64s is off by less than two units in its last place: up to one from the factors' roundings and
// half of one from its own. A float32 keeps 29 bits less, so rounding the product again is wrong only where these 29 bits
// are within as much of a midpoint between two float32s.
func decimal32(m uint64, e int) (v float32, ok bool) {
	if e == 0 {
		return float32(m), true
	}
	if uint(e+40) >= uint(len(powers32)) {
		return 0, m == 0
	}
	f := float64(m) * powers32[e+40]
	b := math.Float64bits(f)
	const low, midpoint, slack = 1<<29 - 1, 1 << 28, 4
	if b&low-(midpoint-slack) <= 2*slack {
		return 0, false
	}
	// Below the normal range a float32 has fewer bits; above it is infinite.
	if b < (1023-126)<<52 || b >= (1023+127)<<52 {
		return 0, m == 0
	}
	return float32(f), true
}

// powers32 holds 10^-40 to 10^30.
var powers32 = func() (p [71]float64) {
	for i := range p {
		p[i], _ = strconv.ParseFloat("1e"+strconv.Itoa(i-40), 64)
	}
	return p
}()

// decimal64 returns m·10^e as a float64; ok is false if the tables do not decide it.
func decimal64(m uint64, e int) (v float64, ok bool) {
	if m == 0 {
		return 0, true
	}
	if m <= 1<<53 && -22 <= e && e <= 22 {
		// Both factors are exact, so one operation rounds once (W. Clinger, "How to Read Floating Point Numbers Accurately", 1990).
		if e < 0 {
			return float64(m) / pow10[-e], true
		}
		return float64(m) * pow10[e], true
	}
	b, ok := eiselLemire(m, e)
	return math.Float64frombits(b), ok
}
