package json

// sextets holds the value of each base64 character, of the standard alphabet and of the web-safe one; 0xff for others.
var sextets = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	t['-'], t['_'] = t['+'], t['/']
	return t
}()

// appendBase64 appends the decoded bytes of s; ok is false if s is not base64. As in TensorFlow Serving, white space may be
// anywhere, the padding may be missing but not wrong, and a dot is padding like an equals sign.
func appendBase64(dst, s []byte) (_ []byte, ok bool) {
	for len(s) >= 4 {
		a, b, c, d := sextets[s[0]], sextets[s[1]], sextets[s[2]], sextets[s[3]]
		if (a|b|c|d)&0xc0 != 0 {
			break
		}
		dst = append(dst, a<<2|b>>4, b<<4|c>>2, c<<6|d)
		s = s[4:]
	}
	var group uint32
	n, padding := 0, 0
	for _, c := range s {
		switch v := sextets[c]; {
		case v != 0xff && padding == 0:
			group = group<<6 | uint32(v)
			if n++; n == 4 {
				dst = append(dst, byte(group>>16), byte(group>>8), byte(group))
				group, n = 0, 0
			}
		case c == '=' || c == '.':
			padding++
		case c == ' ' || '\t' <= c && c <= '\r':
		default:
			return dst, false
		}
	}
	switch n {
	case 0:
		return dst, padding == 0
	case 2:
		return append(dst, byte(group>>4)), padding == 0 || padding == 2
	case 3:
		return append(dst, byte(group>>10), byte(group>>2)), padding == 0 || padding == 1
	}
	return dst, false
}
