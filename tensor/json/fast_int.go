package json

// parseInts decodes integers into dst until one of the reasons to stop. It stops with stopOdd at an integer that T cannot hold.
func parseInts[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](b []byte, i int, dst []T, r rows) (n, end int, now rows, why stop) {
	for ; n < len(dst); n++ {
		if len(b)-i < window {
			return n, i, r, stopEnd
		}
		w := (*[window]byte)(b[i:])
		k := 0
		if w[0] == '-' {
			k = 1
		}
		sign := k
		c := w[k] - '0'
		if c > 9 {
			return n, i, r, stopOdd
		}
		m := uint64(c)
		k++
		for d := w[k] - '0'; d <= 9; d = w[k] - '0' {
			if m == 0 || k > 18+sign { // a leading zero, or too long for 64 bits
				return n, i, r, stopOdd
			}
			m = m*10 + uint64(d)
			k++
		}
		v := T(m)
		if sign != 0 {
			v = -v
			if v > 0 || m > 1<<63 || uint64(-int64(v)) != m {
				return n, i, r, stopOdd
			}
		} else if v < 0 || uint64(v) != m {
			return n, i, r, stopOdd
		}
		dst[n] = v

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
			if !ok { // a fraction, an exponent, …
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
