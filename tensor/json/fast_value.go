package json

import "shoal/tensor"

// fastRank is the deepest nesting that the fast path decodes.
const fastRank = 16

// nest is how a value nests: the size of the lists at each level, fixed by the first list of the level.
type nest struct {
	rank  int                 // -1 until the first scalar or empty list
	dims  [fastRank + 1]int64 // one more than fastRank, for the rows
	known int                 // the sizes of the inner levels are known: dims[known:rank]
}

// sizes returns the value's shape, in the nest's own memory.
func (n *nest) sizes() tensor.Shape { return n.dims[:max(n.rank, 0)] }

// leaf notes that scalars stand at this level.
func (n *nest) leaf(level int) bool {
	if n.rank < 0 {
		n.rank, n.known = level, level
	}
	return n.rank == level
}

// close notes the size of a list at this level (0 is the outermost).
func (n *nest) close(level int, size int64) bool {
	if level < n.known {
		n.known = level // inner lists close first, so the levels are fixed from the inside out
		n.dims[level] = size
	}
	return n.dims[level] == size
}

// value decodes the value at i, a scalar or a list of lists, and appends its elements to input k. Its nesting must be that of
// earlier values.
func (f *fast) value(k, i int) (int, bool) {
	b, t, n := f.body, &f.targets[k], &f.nests[k]
	var sizes [fastRank]int64 // elements so far of each open list
	level := 0
	for {
		i = skipSpace(b, i)
		if peek(b, i) == '[' {
			if level == fastRank {
				return 0, false
			}
			sizes[level] = 0
			level++
			i = skipSpace(b, i+1)
			if peek(b, i) != ']' {
				continue
			}
			if !n.leaf(level) || !n.close(level-1, 0) {
				return 0, false
			}
			i++
		} else {
			if !n.leaf(level) {
				return 0, false
			}
			if level == 0 {
				return f.scalar(t, i)
			}
			size := 0
			if level > 1 && n.known < level {
				size = int(n.dims[level-1])
			}
			before := t.len()
			end, lists, ok := f.run(t, i, size)
			if !ok || !n.close(level-1, int64(t.len()-before-lists*size)) {
				return 0, false
			}
			i = end
			if lists > 0 {
				sizes[level-2] += int64(lists)
			}
		}
		for level--; ; level-- {
			if level == 0 {
				return i, true
			}
			sizes[level-1]++
			i = skipSpace(b, i)
			c := peek(b, i)
			i++
			if c == ',' {
				break
			}
			if c != ']' || !n.close(level-1, sizes[level-1]) {
				return 0, false
			}
		}
	}
}

// run decodes the scalars from i up to the end of their list, and possibly of some lists of the same size (0: not known) that
// follow it directly. It returns the offset after the last list, and how many lists there are besides the first.
func (f *fast) run(t *target, i, size int) (end, lists int, ok bool) {
	switch t.spec.DType {
	case tensor.Float32:
		return numbers(f, t, i, size, parseFloats[float32])
	case tensor.Float64:
		return numbers(f, t, i, size, parseFloats[float64])
	case tensor.Int8:
		return numbers(f, t, i, size, parseInts[int8])
	case tensor.Int16:
		return numbers(f, t, i, size, parseInts[int16])
	case tensor.Int32:
		return numbers(f, t, i, size, parseInts[int32])
	case tensor.Int64:
		return numbers(f, t, i, size, parseInts[int64])
	case tensor.Uint8:
		return numbers(f, t, i, size, parseInts[uint8])
	case tensor.Uint16:
		return numbers(f, t, i, size, parseInts[uint16])
	case tensor.Uint32:
		return numbers(f, t, i, size, parseInts[uint32])
	case tensor.Uint64:
		return numbers(f, t, i, size, parseInts[uint64])
	}
	for {
		end, ok := f.scalar(t, i)
		if !ok {
			return 0, 0, false
		}
		i = skipSpace(f.body, end)
		switch peek(f.body, i) {
		case ',':
			i = skipSpace(f.body, i+1)
		case ']':
			return i + 1, 0, true
		default:
			return 0, 0, false
		}
	}
}

// scalar decodes one scalar of any type at i.
func (f *fast) scalar(t *target, i int) (int, bool) {
	b := f.body
	c := peek(b, i)
	switch t.spec.DType {
	case tensor.String:
		return f.str(t, i)
	case tensor.Bool:
		word, v := "true", uint8(1)
		if c == 'f' {
			word, v = "false", 0
		}
		end, fault := scanWord(b, i, word)
		f.room(t, i, 1)
		t.put8(v)
		return end, fault == nil
	case tensor.Complex64, tensor.Complex128:
		return 0, false
	}
	if c != '-' && c-'0' > 9 && c != 'N' && c != 'I' {
		return 0, false
	}
	n, end, fault := scanNumber(b, i)
	f.room(t, i, t.spec.DType.Size())
	return end, fault == nil && t.putNumber(&n)
}

// str decodes a string or a base64 object at i.
func (f *fast) str(t *target, i int) (int, bool) {
	b := f.body
	payload := false
	if peek(b, i) == '{' {
		key, next, ok := f.key(i, true)
		if !ok || string(key) != "b64" {
			return 0, false
		}
		payload, i = true, next
	}
	if peek(b, i) != '"' {
		return 0, false
	}
	end, escaped, fault := scanString(b, i)
	if fault != nil || payload && escaped {
		return 0, false
	}
	raw := b[i+1 : end-1]
	t.reserveText(len(raw))
	start := len(t.text)
	ok := true
	switch {
	case payload:
		if t.text, ok = appendBase64(t.text, raw); !ok {
			return 0, false
		}
		end = skipSpace(b, end)
		if peek(b, end) != '}' {
			return 0, false
		}
		end++
	case escaped:
		t.text = appendUnescaped(t.text, raw)
	default:
		t.text = append(t.text, raw...)
	}
	if len(t.strings) == cap(t.strings) {
		n := len(t.strings) + f.expect(len(t.strings), i)
		t.arena.Use(n * tensor.StringHeader)
		t.strings = append(make([][]byte, 0, n), t.strings...)
	}
	t.addString(start)
	return end, true
}

// room makes sure that an element of this size can be appended at offset i of the body.
func (f *fast) room(t *target, i, size int) {
	if n := len(t.data); cap(t.data)-n < size {
		t.reserve(f.expect(n/size, i) * size)
	}
}

// expect estimates how many elements an input will get after offset i: as many per byte as so far, and never more than the body
// can hold.
func (f *fast) expect(sofar, i int) int {
	left := len(f.body) - i
	if sofar == 0 {
		return min(left/4, 256) + 1
	}
	guess := float64(sofar) / float64(max(i-f.begin, 1)) * float64(left) * 1.06
	return min(max(int(guess)+8, sofar/2), left/2+1)
}

// objectFollows reports whether the values are named: whether the value of "inputs", or the first of "instances", is an object
// but not a base64 object.
func (f *fast) objectFollows(i int, format Format) bool {
	b := f.body
	if format == Row {
		if peek(b, i) != '[' {
			return false
		}
		i = skipSpace(b, i+1)
	}
	if peek(b, i) != '{' {
		return false
	}
	key, _, ok := f.key(i, true)
	return !ok || string(key) != "b64"
}
