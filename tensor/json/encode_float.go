package json

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// pairs holds 00 to 99.
var pairs = func() (p [100]uint16) {
	for i := range p {
		p[i] = uint16('0'+i/10) | uint16('0'+i%10)<<8
	}
	return p
}()

// decimalRoom is the room that appendDecimal needs.
const decimalRoom = 40

// appendDecimal appends d·10^k, d > 0, with at least one digit on each side of the point, or with an exponent.
func appendDecimal(dst []byte, d uint64, k int) []byte {
	for d >= 10 {
		q := d / 10
		if q*10 != d {
			break
		}
		d, k = q, k+1
	}
	n := digitCount(d)
	point := n + k // 10^(point-1) ≤ value < 10^point
	if cap(dst)-len(dst) < decimalRoom {
		dst = slices.Grow(dst, decimalRoom)
	}
	from := len(dst)
	w := (*[decimalRoom]byte)(dst[from : from+decimalRoom])
	switch {
	case point > 16 || point < -4: // 1.5e+20
		putDigits(w[1:1+n], d)
		w[0], w[1] = w[1], '.'
		if n == 1 {
			n = 0
		}
		return appendExponent(dst[:from+1+n], point-1)
	case point <= 0: // 0.0015
		binary.LittleEndian.PutUint64(w[:], 0x3030303030302e30) // 0.000000
		end := 2 - point + n
		putDigits(w[2-point:end], d)
		return dst[:from+end]
	case point >= n: // 1500.0
		putDigits(w[:n], d)
		binary.LittleEndian.PutUint64(w[n:], zeros8)
		binary.LittleEndian.PutUint64(w[n+8:], zeros8)
		w[point], w[point+1] = '.', '0'
		return dst[:from+point+2]
	default: // 1.5
		putDigits(w[1:1+n], d)
		for i := range point {
			w[i] = w[i+1]
		}
		w[point] = '.'
		return dst[:from+1+n]
	}
}

// putDigits fills w with the last digits of d.
func putDigits(w []byte, d uint64) {
	i := len(w)
	for ; i >= 2; i -= 2 {
		q := d / 100
		binary.LittleEndian.PutUint16(w[i-2:], pairs[d-q*100])
		d = q
	}
	if i > 0 {
		w[0] = '0' + byte(d)
	}
}

// appendExponent appends e+20: a sign and at least two digits, as C prints it.
func appendExponent(dst []byte, e int) []byte {
	sign := byte('+')
	if e < 0 {
		sign, e = '-', -e
	}
	dst = append(dst, 'e', sign)
	if e >= 100 {
		dst = append(dst, '0'+byte(e/100))
		e %= 100
	}
	return binary.LittleEndian.AppendUint16(dst, pairs[e])
}

// digitCount returns the number of decimal digits of d > 0.
func digitCount(d uint64) int {
	n := bits.Len64(d) * 1233 >> 12
	if d >= powers10[n] {
		n++
	}
	return n
}
