package json

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// window is how many bytes must be readable from the beginning of a number so that parseFloats and parseInts decode it. They
// decode no longer number.
const window = 64

// stop says why a loop over numbers ended; the offset returned with it is that of the next number, except for stopDone.
type stop int

const (
	stopDone stop = iota // after the end of the list
	stopFull             // no room for the next number
	stopEnd              // too near the end of the text
	stopOdd              // a number (or something else) that oddNumber must decode
)

// rows is the position of a loop over numbers in the innermost lists. Most of these have the same size, so the loop continues
// from the end of one list to the beginning of the next, and counts the finished lists.
type rows struct {
	size int // of each; 0: not known, and the loop ends with the list
	left int // numbers that the current list still needs; without meaning if the size is not known
	done int // finished lists
}

// next goes from the end of a list at w[k] to the first number of a list of the same size that follows directly. It returns how
// many bytes that is, or 0 if the list has another size or no list follows directly.
func (r *rows) next(w *[window]byte, k int) int {
	if r.left != 0 || w[k+1] != ',' {
		return 0
	}
	skip := 3
	if w[k+2] == ' ' {
		skip = 4
	}
	if w[k+skip-1] != '[' {
		return 0
	}
	r.left = r.size
	r.done++
	return skip
}

// numbers decodes the numbers from i up to the end of their list, and of the lists of the same size that follow it directly.
// It returns how many lists that is, without the last one.
func numbers[T any](
	f *fast, t *target, i, size int, parse func(b []byte, i int, dst []T, r rows) (n, end int, now rows, why stop)) (end, lists int, ok bool) {
	width := t.spec.DType.Size()
	r := rows{size: size, left: size}
	for {
		f.room(t, i, width)
		used := len(t.data)
		free := elementsOf[T](t.data[used:cap(t.data)])
		var n int
		var why stop
		n, i, r, why = parse(f.body, i, free, r)
		if why == stopEnd { // continue in a copy with room after it
			clear(f.tail[:])
			copy(f.tail[:window], f.body[i:])
			var more, behind int
			more, behind, r, why = parse(f.tail[:], 0, free[n:], r)
			n, i = n+more, i+behind
		}
		t.data = t.data[:used+n*width]
		switch why {
		case stopDone:
			return i, r.done, true
		case stopFull:
			continue
		}
		if i, why = f.oddNumber(t, i); why != stopFull {
			return i, r.done, why == stopDone
		}
		r.left--
	}
}

// oddNumber decodes the number at i as the exact path does, and the separator after it. It returns stopFull to continue, stopDone
// after the end of the list, stopOdd to give up.
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

// zeros8 is eight ASCII zeros.
const zeros8 = 0x3030303030303030

// digits8 returns how many of the eight bytes, from the lowest on, are ASCII digits. zeros8 was subtracted from them.
func digits8(x uint64) int {
	return bits.TrailingZeros64(((x+0x7676767676767676)|x)&0x8080808080808080) >> 3
}

// value8 returns the number of eight digits, the lowest byte first. Each byte is a digit's value.
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

// signs are the factors for the absolute value.
var signs = [2]float64{1, -1}

// parseFloats decodes numbers into dst until one of the reasons to stop.
//
// The processor cannot predict the signs and lengths of numbers, and a mispredicted branch costs as much as all the arithmetic. So
// everything that depends on them is computed without a branch, for up to 16 digits after the point.
func parseFloats[T float32 | float64](b []byte, i int, dst []T, r rows) (n, end int, now rows, why stop) {
	for ; n < len(dst); n++ {
		if len(b)-i < window {
			return n, i, r, stopEnd
		}
		w := (*[window]byte)(b[i:])
		sign := 0
		if w[0] == '-' {
			sign = 1
		}
		m := uint64(w[sign] - '0')
		if m > 9 {
			return n, i, r, stopOdd
		}
		k := sign + 1
		for d := w[k] - '0'; d <= 9; d = w[k] - '0' {
			if m == 0 || k > 18+sign { // a leading zero, or too long for 64 bits
				return n, i, r, stopOdd
			}
			m = m*10 + uint64(d)
			k++
		}
		exponent := 0
		if w[k] == '.' {
			whole := k - sign
			k++
			x := binary.LittleEndian.Uint64(w[k:k+8]) ^ zeros8
			y := binary.LittleEndian.Uint64(w[k+8:k+16]) ^ zeros8
			first := digits8(x)
			second := digits8(y) & -(first >> 3) // none unless the first eight bytes are digits
			count := first + second
			if count == 0 || whole+count > 19 && m != 0 {
				return n, i, r, stopOdd
			}
			m = m*powers10[count] + value8(x<<(64-8*first))*powers10[second] + value8(y<<(64-8*second))
			k += count
			if count == 16 { // a third time, as float64s need it
				z := binary.LittleEndian.Uint64(w[k:k+8]) ^ zeros8
				third := digits8(z)
				if m > mostBefore[third] || third == 8 {
					return n, i, r, stopOdd
				}
				m = m*powers10[third] + value8(z<<(64-8*third))
				k += third
				count += third
			}
			exponent = -count
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
				return n, i, r, stopOdd
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
		dst[n] = v * T(signs[sign])

		i += k
		r.left--
		switch {
		case w[k] == ',' && w[k+1] == ' ':
			i += 2
		case w[k] == ',':
			i++
		case w[k] == ']':
			skip := r.next(w, k)
			if skip == 0 {
				return n + 1, i + 1, r, stopDone
			}
			i += skip
		default:
			next, done, ok := separator(b, i)
			if !ok {
				r.left++
				return n, i - k, r, stopOdd
			}
			if i = next; done {
				return n + 1, i, r, stopDone
			}
		}
	}
	return n, i, r, stopFull
}

// separator skips white space and a comma, or the end of the list.
func separator(b []byte, i int) (next int, done, ok bool) {
	i = skipSpace(b, i)
	c := peek(b, i)
	return i + 1, c == ']', c == ']' || c == ','
}

// roundSlowly rounds a number without a sign that a few multiplications cannot round.
func roundSlowly[T float32 | float64](token []byte) T {
	var v T
	size := 64
	if _, ok := any(v).(float32); ok {
		size = 32
	}
	f, _ := strconv.ParseFloat(text(token), size) // out of range it is infinite, as it should be
	return T(f)
}
