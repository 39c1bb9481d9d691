package json

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"sync"
)

// The digits of floating-point numbers in error messages are those of RapidJSON's Grisu2 (F. Loitsch, "Printing Floating-Point
// Numbers Quickly and Accurately with Integers", 2010). They always round-trip, but are not always the shortest or the closest.
// Answers use AppendFloat64 instead.

// extended is f·2^e.
type extended struct {
	f uint64
	e int
}

func (x extended) normalised() extended {
	shift := bits.LeadingZeros64(x.f)
	return extended{x.f << shift, x.e - shift}
}

func (x extended) times(y extended) extended {
	hi, lo := bits.Mul64(x.f, y.f)
	return extended{hi + lo>>63, x.e + y.e + 64}
}

// cachedPowers holds 10^-348, 10^-340, …, 10^340, each rounded to 64 bits.
var cachedPowers = sync.OnceValue(func() (p [87]extended) {
	for i := range p {
		exponent := int64(-348 + 8*i)
		x := new(big.Float).SetPrec(64).SetMode(big.ToNearestEven)
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(max(exponent, -exponent)), nil)
		if exponent >= 0 {
			x.SetInt(ten)
		} else {
			x.Quo(big.NewFloat(1), new(big.Float).SetInt(ten))
		}
		mantissa := new(big.Float)
		e := x.MantExp(mantissa) // x = mantissa·2^e, mantissa in [0.5, 1)
		f, _ := mantissa.SetMantExp(mantissa, 64).Uint64()
		p[i] = extended{f, e - 64}
	}
	return p
})

// cachedPower returns a power of ten that brings a number with binary exponent e into the range in which the digits are made, and
// the negative of its decimal exponent.
func cachedPower(e int) (extended, int) {
	dk := float64(-61-e)*0.30102999566398114 + 347
	k := int(dk)
	if dk-float64(k) > 0 {
		k++
	}
	index := k>>3 + 1
	return cachedPowers()[index], 348 - 8*index
}

// grisu2 returns digits and an exponent k with digits·10^k ≈ v; v is finite and positive.
func grisu2(v float64) (digits []byte, k int) {
	b := math.Float64bits(v)
	x := extended{b & (1<<52 - 1), -1074}
	if biased := int(b >> 52); biased != 0 {
		x = extended{x.f | 1<<52, biased - 1075}
	}
	upper := extended{x.f<<1 + 1, x.e - 1}.normalised()
	lower := extended{x.f<<1 - 1, x.e - 1}
	if x.f == 1<<52 {
		lower = extended{x.f<<2 - 1, x.e - 2}
	}
	lower = extended{lower.f << (lower.e - upper.e), upper.e}

	power, k := cachedPower(upper.e)
	w, top, bottom := x.normalised().times(power), upper.times(power), lower.times(power)
	top.f--
	bottom.f++
	digits, kappa := shortDigits(w, top, top.f-bottom.f)
	return digits, k + kappa
}

// shortDigits makes digits of top until the rest is below delta, and then moves the last digit towards w.
func shortDigits(w, top extended, delta uint64) (digits []byte, kappa int) {
	shift := uint(-top.e)
	gap := top.f - w.f
	whole, rest := uint32(top.f>>shift), top.f&(1<<shift-1)
	digits = make([]byte, 0, 20)
	put := func(d byte) {
		if d != 0 || len(digits) > 0 {
			digits = append(digits, '0'+d)
		}
	}
	kappa = len(strconv.AppendUint(nil, uint64(whole), 10))
	ten := uint32(1)
	for range kappa - 1 {
		ten *= 10
	}
	for ; kappa > 0; ten /= 10 {
		put(byte(whole / ten))
		whole %= ten
		kappa--
		if left := uint64(whole)<<shift + rest; left <= delta {
			roundDown(digits, delta, left, uint64(ten)<<shift, gap)
			return digits, kappa
		}
	}
	unit := uint64(1)
	for {
		rest *= 10
		delta *= 10
		put(byte(rest >> shift))
		rest &= 1<<shift - 1
		kappa--
		unit *= 10
		if rest < delta {
			if -kappa > 8 {
				unit = 0 // RapidJSON's table of powers ends here
			}
			roundDown(digits, delta, rest, 1<<shift, gap*unit)
			return digits, kappa
		}
	}
}

// roundDown decreases the last digit while that brings the number closer to gap below the top.
func roundDown(digits []byte, delta, rest, step, gap uint64) {
	for rest < gap && delta-rest >= step && (rest+step < gap || gap-rest > rest+step-gap) {
		digits[len(digits)-1]--
		rest += step
	}
}

// appendGrisu appends a finite number in RapidJSON's form: 0.001, 12.34, 1000.0, 1e30, 1.5e-7.
func appendGrisu(dst []byte, v float64) []byte {
	if math.Signbit(v) {
		dst = append(dst, '-')
		v = -v
	}
	if v == 0 {
		return append(dst, "0.0"...)
	}
	digits, k := grisu2(v)
	point := len(digits) + k // 10^(point-1) ≤ v < 10^point
	switch {
	case k >= 0 && point <= 21:
		dst = append(dst, digits...)
		for range k {
			dst = append(dst, '0')
		}
		return append(dst, ".0"...)
	case 0 < point && point <= 21:
		dst = append(dst, digits[:point]...)
		dst = append(dst, '.')
		return append(dst, digits[point:]...)
	case -6 < point && point <= 0:
		dst = append(dst, "0.00000"[:2-point]...)
		return append(dst, digits...)
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(dst, '.')
		dst = append(dst, digits[1:]...)
	}
	return strconv.AppendInt(append(dst, 'e'), int64(point-1), 10)
}
