package json

// state is the parser's position in the grammar. Each state has one error text for anything that is not allowed there.
type state uint8

const (
	atStart state = iota
	afterObjectOpen
	afterName
	afterColon
	afterMember
	afterMemberComma
	afterArrayOpen
	afterElement
	afterElementComma
)

var expected = [...]string{
	atStart:           documentEmpty,
	afterObjectOpen:   nameMissing,
	afterName:         colonMissing,
	afterColon:        valueInvalid,
	afterMember:       objectUnfinished,
	afterMemberComma:  nameMissing,
	afterArrayOpen:    valueInvalid,
	afterElement:      arrayUnfinished,
	afterElementComma: valueInvalid,
}

// peek returns the byte at i. A NUL byte ends the text like the end of the body.
func peek(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipBOM returns the offset after a UTF-8 byte order mark. Each of its bytes may be missing, as in RapidJSON.
func skipBOM(b []byte) int {
	i := 0
	for _, c := range [...]byte{0xef, 0xbb, 0xbf} {
		if peek(b, i) == c {
			i++
		}
	}
	return i
}

// parser parses one value without recursion, so that nesting of any depth takes one bit per level and no stack. With a nil tape
// it only checks the text and counts the nodes. Otherwise it fills the tape, which must be long enough.
type parser struct {
	body    []byte
	tape    []node
	nodes   int      // nodes seen
	open    uint32   // node of the innermost open container, when filling
	arrays  []uint64 // bit d: the container at depth d is an array
	depth   int
	current state
}

// value parses the value at i and returns the offset after it. It ignores what follows.
func (p *parser) value(i int) (int, *fault) {
	for {
		i = skipSpace(p.body, i)
		c := peek(p.body, i)
		var f *fault
		switch p.current {
		case afterName:
			if c != ':' {
				return i, &fault{colonMissing, i}
			}
			p.current = afterColon
			i++
			continue
		case afterMember, afterElement:
			if c == ',' {
				p.current++ // to the state after the comma
				i++
				continue
			}
			if (c != '}' || p.current != afterMember) && (c != ']' || p.current != afterElement) {
				return i, &fault{expected[p.current], i}
			}
			p.leave()
			i++
		case afterObjectOpen, afterMemberComma:
			if c == '"' {
				p.add(i)
				if i, _, f = scanString(p.body, i); f != nil {
					return i, f
				}
				p.current = afterName
				continue
			}
			if c != '}' || p.current != afterObjectOpen {
				return i, &fault{nameMissing, i}
			}
			p.leave()
			i++
		default: // a value
			if c == '{' || c == '[' {
				p.enter(i, c == '[')
				i++
				continue
			}
			if c == ']' && p.current == afterArrayOpen {
				p.leave()
				i++
				break
			}
			if c == 0 || c == ',' || c == ':' || c == ']' || c == '}' {
				return i, &fault{expected[p.current], i}
			}
			p.add(i)
			if i, f = scanScalar(p.body, i); f != nil {
				return i, f
			}
		}
		if p.depth == 0 {
			return i, nil
		}
		p.current = afterMember
		if p.inArray() {
			p.current = afterElement
		}
	}
}

func scanScalar(b []byte, i int) (int, *fault) {
	switch b[i] {
	case '"':
		end, _, f := scanString(b, i)
		return end, f
	case 't':
		return scanWord(b, i, "true")
	case 'f':
		return scanWord(b, i, "false")
	case 'n':
		return scanWord(b, i, "null")
	}
	_, end, f := scanNumber(b, i)
	return end, f
}

func scanWord(b []byte, i int, word string) (int, *fault) {
	for k := range len(word) {
		if peek(b, i+k) != word[k] {
			return i, &fault{valueInvalid, i + k}
		}
	}
	return i + len(word), nil
}

// add appends a node. It counts it for the enclosing container: arrays count values, objects count names and values.
func (p *parser) add(i int) {
	if p.tape != nil {
		p.tape[p.nodes] = node{pos: uint32(i), next: uint32(p.nodes + 1)}
		if p.depth > 0 {
			p.tape[p.open].count++
		}
	}
	p.nodes++
}

func (p *parser) enter(i int, array bool) {
	p.add(i)
	p.current = afterObjectOpen
	if p.depth%64 == 0 && p.depth/64 == len(p.arrays) {
		p.arrays = append(p.arrays, 0)
	}
	w, bit := &p.arrays[p.depth/64], uint64(1)<<(p.depth%64)
	*w &^= bit
	if array {
		*w |= bit
		p.current = afterArrayOpen
	}
	p.depth++
	if p.tape != nil {
		self := uint32(p.nodes - 1)
		p.tape[self].next = p.open // while open, next is the enclosing container
		p.open = self
	}
}

func (p *parser) leave() {
	p.depth--
	if p.tape != nil {
		self := p.open
		p.open = p.tape[self].next
		p.tape[self].next = uint32(p.nodes)
	}
}

func (p *parser) inArray() bool {
	d := p.depth - 1
	return p.arrays[d/64]>>(d%64)&1 != 0
}
