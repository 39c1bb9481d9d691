package json

import "encoding/base64"

const hexDigits = "0123456789ABCDEF"

// escapes holds the character after the backslash for a byte that must be escaped; 'u' for the form with four digits.
var escapes = func() (t [256]byte) {
	for c := range 0x20 {
		t[c] = 'u'
	}
	t['\b'], t['\t'], t['\n'], t['\f'], t['\r'] = 'b', 't', 'n', 'f', 'r'
	t['"'], t['\\'] = '"', '\\'
	return t
}()

// AppendString appends s as a JSON string. It escapes only what must be escaped, and copies all other bytes, UTF-8 or not.
func AppendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for {
		n := plain(s, 0)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		c := s[n]
		dst = append(dst, '\\', escapes[c])
		if escapes[c] == 'u' {
			dst = append(dst, '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		s = s[n+1:]
	}
}

// appendBytes appends s as a base64 object.
func appendBytes(dst, s []byte) []byte {
	dst = append(dst, `{"b64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, s)
	return append(dst, `"}`...)
}

// AppendError appends the body of an error answer, {"error": "…"}, with TensorFlow Serving's line breaks.
func AppendError(dst []byte, message string) []byte {
	dst = append(dst, "{\n    \"error\": "...)
	dst = AppendString(dst, []byte(message))
	return append(dst, "\n}"...)
}
