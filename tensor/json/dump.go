package json

import (
	"math"
	"strconv"
)

// dumpLimit is the length from which a dump takes no further token. A dump can be somewhat longer, and is then cut.
const dumpLimit = 256

// dumper prints a value for an error message as TensorFlow Serving does: RapidJSON's pretty form, with four spaces per level and
// arrays on one line. It ends at the first token after the limit, or at NaN or an infinity.
type dumper struct {
	doc *document
	out []byte
}

func (d *document) dump(v uint32) string {
	p := dumper{doc: d}
	p.value(v, 0)
	return string(p.out)
}

// value prints v at a level of nesting and reports whether to go on. Callers check the limit before a token and its separator.
// The limit also bounds the recursion, because each level takes at least one byte.
func (p *dumper) value(v uint32, level int) bool {
	d := p.doc
	switch d.kind(v) {
	case kindObject:
		p.out = append(p.out, '{')
		for m := range d.members(v) {
			if p.full() {
				return false
			}
			p.separate(m == v+1, ",")
			p.newline(level + 1)
			p.out = AppendString(p.out, d.appendString(nil, m))
			if p.full() {
				return false
			}
			p.out = append(p.out, ": "...)
			if !p.value(m+1, level+1) {
				return false
			}
		}
		if p.full() {
			return false
		}
		if d.size(v) > 0 {
			p.newline(level)
		}
		p.out = append(p.out, '}')
	case kindArray:
		p.out = append(p.out, '[')
		for i, e := range d.elements(v) {
			if p.full() {
				return false
			}
			p.separate(i == 0, ", ")
			if !p.value(e, level+1) {
				return false
			}
		}
		if p.full() {
			return false
		}
		p.out = append(p.out, ']')
	case kindString:
		p.out = AppendString(p.out, d.appendString(nil, v))
	case kindNumber:
		return p.number(d.number(v))
	case kindNull:
		p.out = append(p.out, "null"...)
	case kindTrue:
		p.out = append(p.out, "true"...)
	case kindFalse:
		p.out = append(p.out, "false"...)
	}
	return true
}

func (p *dumper) full() bool { return len(p.out) >= dumpLimit }

func (p *dumper) separate(first bool, separator string) {
	if !first {
		p.out = append(p.out, separator...)
	}
}

func (p *dumper) newline(level int) {
	p.out = append(p.out, '\n')
	for range level {
		p.out = append(p.out, "    "...)
	}
}

func (p *dumper) number(n number) bool {
	switch {
	case n.integer && n.neg && n.mag != 0:
		p.out = strconv.AppendUint(append(p.out, '-'), n.mag, 10)
	case n.integer:
		p.out = strconv.AppendUint(p.out, n.mag, 10)
	case math.IsNaN(n.approx) || math.IsInf(n.approx, 0):
		return false
	default:
		p.out = appendGrisu(p.out, n.approx)
	}
	return true
}
