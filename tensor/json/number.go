package json

import (
	"math"
	"strconv"
	"unsafe"
)

// number is a number token. Integers that fit 64 bits keep every bit; the rest is floating point, as is everything with
// a fraction or an exponent.
type number struct {
	token   []byte
	integer bool
	neg     bool
	mag     uint64 // the absolute value of an integer
	special bool   // NaN or an infinity
	// approx is the result of RapidJSON's fast conversion of a floating-point token. It can be wrong in the last digits. Only error
	// messages use it, because TensorFlow Serving's print it.
	approx float64
}

// pow10 holds 10^0 to 10^308.
var pow10 = func() (p [309]float64) {
	for i := range p {
		p[i], _ = strconv.ParseFloat("1e"+strconv.Itoa(i), 64)
	}
	return p
}()

func digit(b []byte, i int) bool { return i < len(b) && b[i]-'0' <= 9 }

// scanNumber reads the number at i and returns the offset after it.
//
// It decides as RapidJSON does which numbers are too big: by the exponent's digits, or by the digits of a long integer. Other
// values beyond the range of a double are infinite.
func scanNumber(b []byte, i int) (n number, end int, f *fault) {
	start := i
	if peek(b, i) == '-' {
		n.neg = true
		i++
	}
	significant := 0 // digits that count towards the 17 that RapidJSON keeps
	n.integer = true
	switch c := peek(b, i); {
	case c == '0':
		i++
	case '1' <= c && c <= '9':
		limit := uint64(math.MaxUint64)
		if n.neg {
			limit = 1 << 63
		}
		n.mag = uint64(c - '0')
		for i++; digit(b, i); i++ {
			d := uint64(b[i] - '0')
			if n.integer && n.mag > (limit-d)/10 {
				n.integer = false
				n.approx = float64(n.mag)
			}
			if n.integer {
				n.mag = n.mag*10 + d
				significant++
				continue
			}
			if n.approx >= math.MaxFloat64/10 {
				return n, i, &fault{numberTooBig, start}
			}
			n.approx = float64(n.approx*10) + float64(d)
		}
	case c == 'N' || c == 'I':
		return scanSpecial(b, start, i, n.neg)
	default:
		return n, i, &fault{valueInvalid, i}
	}

	fraction := 0 // the power of ten of the fraction's digits
	if peek(b, i) == '.' {
		i++
		if !digit(b, i) {
			return n, i, &fault{fractionMissing, i}
		}
		if n.integer {
			m := n.mag
			for ; m < 1<<53 && digit(b, i); i++ {
				m = m*10 + uint64(b[i]-'0')
				fraction--
				if m != 0 {
					significant++
				}
			}
			n.approx, n.integer = float64(m), false
		}
		for ; digit(b, i); i++ {
			if significant < 17 {
				n.approx = float64(n.approx*10) + float64(b[i]-'0')
				fraction--
				if n.approx > 0 {
					significant++
				}
			}
		}
	}

	exponent := 0
	if c := peek(b, i); c == 'e' || c == 'E' {
		if n.integer {
			n.approx, n.integer = float64(n.mag), false
		}
		i++
		negative := false
		if c := peek(b, i); c == '+' || c == '-' {
			negative = c == '-'
			i++
		}
		if !digit(b, i) {
			return n, i, &fault{exponentMissing, i}
		}
		exponent = int(b[i] - '0')
		for i++; digit(b, i); i++ {
			if negative {
				exponent = min(exponent*10+int(b[i]-'0'), 1<<30)
				continue
			}
			exponent = exponent*10 + int(b[i]-'0')
			if exponent > 308-fraction {
				return n, i, &fault{numberTooBig, start}
			}
		}
		if negative {
			exponent = -exponent
		}
	}
	if !n.integer {
		n.approx = scale(n.approx, exponent+fraction)
		if n.neg {
			n.approx = -n.approx
		}
	}
	n.token = b[start:i]
	return n, i, nil
}

// scanSpecial reads NaN, Inf or Infinity at i.
func scanSpecial(b []byte, start, i int, neg bool) (n number, end int, f *fault) {
	n = number{neg: neg, special: true, approx: math.NaN()}
	word := "NaN"
	if peek(b, i) == 'I' {
		n.approx = math.Inf(1)
		if neg {
			n.approx = math.Inf(-1)
		}
		word = "Inf"
		if peek(b, i+3) == 'i' {
			word = "Infinity"
		}
	}
	end, f = scanWord(b, i, word)
	n.token = b[start:end]
	return n, end, f
}

// scale returns d·10^p, in two steps if 10^p alone would be 0.
func scale(d float64, p int) float64 {
	switch {
	case p >= 0:
		return d * pow10[p]
	case p >= -308:
		return d / pow10[-p]
	case p >= -616:
		return d / pow10[308] / pow10[-p-308]
	}
	return 0
}

// float64 returns the value, correctly rounded; beyond the range it is infinite.
func (n *number) float64() float64 {
	if n.special {
		return n.approx
	}
	v, _ := strconv.ParseFloat(text(n.token), 64)
	return v
}

// float32 returns the value rounded once, not by way of a float64.
func (n *number) float32() float32 {
	if n.special {
		return float32(n.approx)
	}
	v, _ := strconv.ParseFloat(text(n.token), 32)
	return float32(v)
}

// int64 returns the value of an integer; ok is false if the number is not an integer or out of range.
func (n *number) int64() (v int64, ok bool) {
	if n.neg {
		return -int64(n.mag), n.integer // a negative integer's magnitude is at most 2^63
	}
	return int64(n.mag), n.integer && n.mag <= math.MaxInt64
}

// uint64 returns the value of an integer; -0 is one.
func (n *number) uint64() (v uint64, ok bool) { return n.mag, n.integer && (!n.neg || n.mag == 0) }

// text returns bytes as a string without a copy, for a call that does not keep it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
