package json

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// window is how many bytes must be readable from the beginning of a number on for parseFloats and parseInts to look at
// it. They take no number that is longer.
const window = 64

// stop says why a loop over numbers ended; the offset returned with it is that of the next number, except for stopDone.
type stop int

const (
	stopDone stop = iota // behind the end of the list
	stopFull             // no room for the next number
	stopEnd              // too near the end of the text
	stopOdd              // a number (or something else) that needs a closer look
)

// numbers decodes the numbers from i up to the end of their list.
func numbers[T any](
	f *fast, t *target, i int, parse func(b []byte, i int, dst []T) (n, end int, why stop)) (int, bool) {
	size := t.spec.DType.Size()
	for {
		f.room(t, i, size)
		used := len(t.data)
		free := elementsOf[T](t.data[used:cap(t.data)])
		n, end, why := parse(f.body, i, free)
		if why == stopEnd { // go on in a copy with room behind it
			clear(f.tail[:])
			copy(f.tail[:window], f.body[end:])
			more, behind, reason := parse(f.tail[:], 0, free[n:])
			n, end, why = n+more, end+behind, reason
		}
		t.data = t.data[:used+n*size]
		i = end
		switch why {
		case stopDone:
			return i, true
		case stopFull:
			continue
		}
		if i, why = f.oddNumber(t, i); why != stopFull {
			return i, why == stopDone
		}
	}
}

// oddNumber decodes the number at i as the exact path does, and what separates it from the next. It returns stopFull to
// go on, stopDone behind the end of the list, stopOdd to give up.
func (f *fast) oddNumber(t *target, i int) (int, stop) {
	b := f.body
	i = skipSpace(b, i)
	end, ok := f.scalar(t, i)
	if !ok {
		return 0, stopOdd
	}
	i = skipSpace(b, end)
	switch peek(b, i) {
	case ',':
		return skipSpace(b, i+1), stopFull
	case ']':
		return i + 1, stopDone
	}
	return 0, stopOdd
}

// digits8 is how many of the eight bytes, from the lowest on, are ASCII digits.
func digits8(x uint64) int {
	x ^= 0x3030303030303030
	return bits.TrailingZeros64(((x+0x7676767676767676)|x)&0x8080808080808080) >> 3
}

// value8 is the number that eight digits stand for, the lowest byte first; each byte is a digit's value.
func value8(x uint64) uint64 {
	x = x*10 + x>>8
	return ((x&0x000000ff000000ff)*(100+1000000<<32) + (x>>16&0x000000ff000000ff)*(1+10000<<32)) >> 32 & 0xffffffff
}

// powers10 holds 10^0 to 10^19, and mostBefore the largest m for which m·10^k plus k digits fits 64 bits.
var powers10, mostBefore = func() (p, m [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	for i := range m {
		m[i] = math.MaxUint64/p[i] - 1
	}
	return p, m
}()

// parseFloats decodes numbers into dst until one of the reasons to stop.
func parseFloats[T float32 | float64](b []byte, i int, dst []T) (n, end int, why stop) {
	for ; n < len(dst); n++ {
		if len(b)-i < window {
			return n, i, stopEnd
		}
		w := (*[window]byte)(b[i:])
		k := 0
		if w[0] == '-' {
			k = 1
		}
		sign := k
		c := w[k] - '0'
		if c > 9 {
			return n, i, stopOdd
		}
		m := uint64(c)
		k++
		for d := w[k] - '0'; d <= 9; d = w[k] - '0' {
			if m == 0 || k > 18+sign { // a leading zero, or too long for 64 bits
				return n, i, stopOdd
			}
			m = m*10 + uint64(d)
			k++
		}
		exponent := 0
		if w[k] == '.' {
			k++
			from := k
			x := binary.LittleEndian.Uint64(w[k : k+8])
			count := digits8(x)
			if count == 0 {
				return n, i, stopOdd
			}
			for count == 8 {
				if m > mostBefore[8] || k > window-24 {
					return n, i, stopOdd
				}
				m = m*1e8 + value8(x^0x3030303030303030)
				k += 8
				x = binary.LittleEndian.Uint64(w[k : k+8])
				count = digits8(x)
			}
			if m > mostBefore[count&7] {
				return n, i, stopOdd
			}
			m = m*powers10[count&7] + value8((x^0x3030303030303030)<<(64-8*count))
			k += count
			exponent = from - k
		}
		if w[k]|0x20 == 'e' {
			k++
			negative := w[k] == '-'
			if negative || w[k] == '+' {
				k++
			}
			e, from := 0, k
			for d := w[k] - '0'; d <= 9 && k < from+4; d = w[k] - '0' {
				e = e*10 + int(d)
				k++
			}
			if k == from || k > from+3 || e > 250 { // near the end of the range the exact path decides
				return n, i, stopOdd
			}
			if negative {
				e = -e
			}
			exponent += e
		}

		var v T
		var ok bool
		switch p := any(&v).(type) {
		case *float32:
			*p, ok = decimal32(m, exponent)
		case *float64:
			*p, ok = decimal64(m, exponent)
		}
		if !ok {
			v = roundSlowly[T](w[sign:k])
		}
		if sign != 0 {
			v = -v
		}
		dst[n] = v

		i += k
		switch {
		case w[k] == ',' && w[k+1] == ' ':
			i += 2
		case w[k] == ',':
			i++
		case w[k] == ']':
			return n + 1, i + 1, stopDone
		default:
			next, done, ok := separator(b, i)
			if !ok {
				return n, i - k, stopOdd
			}
			if i = next; done {
				return n + 1, i, stopDone
			}
		}
	}
	return n, i, stopFull
}

// separator goes over white space and a comma, or the end of the list.
func separator(b []byte, i int) (next int, done, ok bool) {
	i = skipSpace(b, i)
	c := peek(b, i)
	return i + 1, c == ']', c == ']' || c == ','
}

// roundSlowly is for a number without a sign that cannot be rounded with a few multiplications.
func roundSlowly[T float32 | float64](token []byte) T {
	var v T
	size := 64
	if _, ok := any(v).(float32); ok {
		size = 32
	}
	f, _ := strconv.ParseFloat(text(token), size) // out of range it is infinite, as it should be
	return T(f)
}
