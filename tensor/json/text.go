package json

import (
	"encoding/binary"
	"math/bits"
)

// plain returns the number of bytes from i on that are not escaped: up to a quote, a backslash or a control character.
func plain(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	from := i
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// The lowest marked byte is correct; higher ones may be marked by a borrow.
		hit := (quote-ones)&^quote | (slash-ones)&^slash | (x-ones*0x20)&^x
		if hit &= tops; hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3 - from
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
		i++
	}
	return i - from
}

// scanString reads the string whose opening quote is at i. It returns the offset after the closing quote, and whether there are
// escapes. Bytes from 0x80 on are accepted as they are, UTF-8 or not.
func scanString(b []byte, i int) (end int, escaped bool, f *fault) {
	i++
	for {
		i += plain(b, i)
		switch c := peek(b, i); {
		case c == '"':
			return i + 1, escaped, nil
		case c == 0:
			return i, escaped, &fault{quoteMissing, i}
		case c < 0x20:
			return i, escaped, &fault{escapeInvalid, i}
		}
		escaped = true
		n, text := scanEscape(b, i)
		if text != "" {
			return i, escaped, &fault{text, i} // always the offset of the (first) backslash
		}
		i += n
	}
}

// scanEscape returns the length of the escape at i, which is a backslash, or the text of its error.
func scanEscape(b []byte, i int) (n int, text string) {
	if shortEscape(peek(b, i+1)) != 0 {
		return 2, ""
	}
	if peek(b, i+1) != 'u' {
		return 0, escapeInvalid
	}
	r, ok := hex4(b, i+2)
	if !ok {
		return 0, hexInvalid
	}
	if r < 0xd800 || r > 0xdbff {
		return 6, "" // a low surrogate alone is accepted
	}
	if peek(b, i+6) != '\\' || peek(b, i+7) != 'u' {
		return 0, surrogateInvalid
	}
	low, ok := hex4(b, i+8)
	if !ok {
		return 0, hexInvalid
	}
	if low < 0xdc00 || low > 0xdfff {
		return 0, surrogateInvalid
	}
	return 12, ""
}

// shortEscape returns the character for the escape of a backslash and c, or 0.
func shortEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

func hex4(b []byte, i int) (r rune, ok bool) {
	for k := range 4 {
		c := peek(b, i+k)
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendUnescaped appends the value of s, the text between the quotes of a string that scanString has accepted. The value is
// never longer than s.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			n := max(plain(s, i), 1)
			dst = append(dst, s[i:i+n]...)
			i += n
			continue
		}
		if c := shortEscape(s[i+1]); c != 0 {
			dst = append(dst, c)
			i += 2
			continue
		}
		r, _ := hex4(s, i+2)
		i += 6
		if 0xd800 <= r && r <= 0xdbff {
			low, _ := hex4(s, i+2)
			r = (r-0xd800)<<10 + (low - 0xdc00) + 0x10000
			i += 6
		}
		dst = appendCodePoint(dst, r)
	}
	return dst
}

// appendCodePoint appends a code point in UTF-8. It also encodes lone surrogates, which utf8.AppendRune would replace.
func appendCodePoint(dst []byte, r rune) []byte {
	switch {
	case r < 0x80:
		return append(dst, byte(r))
	case r < 0x800:
		return append(dst, 0xc0|byte(r>>6), 0x80|byte(r&0x3f))
	case r < 0x10000:
		return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return append(dst, 0xf0|byte(r>>18), 0x80|byte(r>>12&0x3f), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
}
