// Package ascii compares text without regard to the case of its ASCII letters, and of no others.
package ascii

// EqualFold compares s with lower, which is in lower case.
func EqualFold(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i, c := range s {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// CutFold removes a prefix of s; prefix is in lower case.
func CutFold(s []byte, prefix string) (rest []byte, ok bool) {
	if len(s) < len(prefix) || !EqualFold(s[:len(prefix)], prefix) {
		return nil, false
	}
	return s[len(prefix):], true
}
