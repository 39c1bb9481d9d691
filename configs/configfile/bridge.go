package configfile

import "bytes"

// bridged is a text proto in a form for Go's parser, with information that its errors do not have.
type bridged struct {
	out  []byte
	open []mark // braces, brackets and finally a quote that are not closed, outermost first
	end  mark   // the end of the text
}

// mark is a place in the text and the character there.
type mark struct {
	line, column int
	what         byte
}

// bridge translates what TensorFlow's parser accepts and Go's does not: a byte order mark, and form feeds and vertical tabs as
// spaces. With multilineText, a string with line breaks becomes several strings, one per line, which the language joins. Lines
// keep their numbers.
func bridge(data []byte, mode textMode) bridged {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	b := bridged{out: make([]byte, 0, len(data)+16), end: mark{line: 1, column: 1}}
	var quote byte // the open string's quote
	comment, escaped := false, false
	for _, c := range data {
		b.end.what = c
		switch {
		case comment:
			comment = c != '\n'
		case quote != 0:
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == quote:
				quote = 0
				b.close()
			case c == '\n' && mode == multilineText:
				b.out = append(bytes.TrimSuffix(b.out, []byte("\r")), '\\', 'n', quote, '\n', quote)
				b.advance(c)
				continue
			case c == '\n': // the parser rejects it here
				quote = 0
				b.close()
			}
		case c == '#':
			comment = true
		case c == '"' || c == '\'':
			quote = c
			b.open = append(b.open, b.end)
		case c == '{' || c == '<' || c == '[':
			b.open = append(b.open, b.end)
		case c == '}' || c == '>' || c == ']':
			b.close()
		case c == '\v' || c == '\f':
			c = ' '
		}
		b.out = append(b.out, c)
		b.advance(c)
	}
	return b
}

// close drops the innermost open mark. The parser reports a mark that closes nothing.
func (b *bridged) close() {
	if n := len(b.open); n > 0 {
		b.open = b.open[:n-1]
	}
}

// advance moves the end after c.
func (b *bridged) advance(c byte) {
	if c == '\n' {
		b.end.line++
		b.end.column = 1
		return
	}
	b.end.column++
}
