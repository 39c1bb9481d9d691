package json

import (
	"slices"

	"shoal/tensor"
)

// Cursor reads a document from left to right, for protocols with documents of their own form. It copies only what Tensor puts
// into an arena. Its grammar is that of the package: RapidJSON's, with NaN and infinities.
//
// The first error that a method returns ends the reading.
type Cursor struct {
	body   []byte
	at     int
	inside bool // an object or array: the value is not the document's own
}

// NewCursor returns a cursor before the document's value.
func NewCursor(body []byte) Cursor { return Cursor{body: body, at: skipSpace(body, skipBOM(body))} }

// At returns the offset of the value after the cursor.
func (c *Cursor) At() int { return c.at }

// To returns a cursor before the value at an offset that At has returned.
func (c *Cursor) To(at int) Cursor { return Cursor{c.body, at, true} }

// Next returns the first byte of the value: '{', '[', '"', 't', 'f', 'n' or that of a number; 0 at the end of the text.
func (c *Cursor) Next() byte { return peek(c.body, c.at) }

// SyntaxError is a syntax error of a document.
type SyntaxError struct {
	Text   string // RapidJSON's
	Offset int
}

// Error implements error.
func (e *SyntaxError) Error() string { return e.Text }

// ValueError is returned for a value of another kind than the one that is read, and for a number out of range.
type ValueError struct {
	DType  tensor.DType // of the element that is read; Invalid: not an element
	Offset int
}

// Error implements error.
func (e *ValueError) Error() string { return "unexpected value" }

// fail returns the syntax error in the value at the cursor or, if there is none, e.
func (c *Cursor) fail(e *ValueError) error {
	bad := Cursor{c.body, e.Offset, c.inside}
	if err := bad.Skip(); err != nil {
		return err
	}
	return e
}

// Check reads the document that begins at the cursor and what follows it, and returns the first syntax error. It does not move
// the cursor.
func (c *Cursor) Check() error {
	rest := *c
	if err := rest.Skip(); err != nil {
		return err
	}
	return rest.End()
}

// End returns an error if anything follows.
func (c *Cursor) End() error {
	if c.at = skipSpace(c.body, c.at); c.at < len(c.body) {
		return &SyntaxError{rootFollowed, c.at}
	}
	return nil
}

// Skip skips the value.
func (c *Cursor) Skip() error {
	p := parser{body: c.body}
	if c.inside {
		p.current = afterColon
	}
	end, f := p.value(c.at)
	if f != nil {
		return &SyntaxError{f.text, f.at}
	}
	c.at = end
	return nil
}

// Object reads an object. It calls member with the name of each member, the cursor before its value; member reads the value.
func (c *Cursor) Object(member func(name []byte) error) error {
	if c.Next() != '{' {
		return c.fail(&ValueError{Offset: c.at})
	}
	c.at, c.inside = skipSpace(c.body, c.at+1), true
	if c.Next() == '}' {
		c.at++
		return nil
	}
	for {
		if c.Next() != '"' {
			return &SyntaxError{nameMissing, c.at}
		}
		name, err := c.text()
		if err != nil {
			return err
		}
		if c.at = skipSpace(c.body, c.at); c.Next() != ':' {
			return &SyntaxError{colonMissing, c.at}
		}
		c.at = skipSpace(c.body, c.at+1)
		if err := member(name); err != nil {
			return err
		}
		if done, err := c.separator('}', objectUnfinished); done || err != nil {
			return err
		}
	}
}

// Array reads an array. It calls element with the index of each element, the cursor before it; element reads it.
func (c *Cursor) Array(element func(i int) error) error {
	if c.Next() != '[' {
		return c.fail(&ValueError{Offset: c.at})
	}
	c.at, c.inside = skipSpace(c.body, c.at+1), true
	if c.Next() == ']' {
		c.at++
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		if done, err := c.separator(']', arrayUnfinished); done || err != nil {
			return err
		}
	}
}

// separator skips a comma, or the end of the object or array.
func (c *Cursor) separator(end byte, missing string) (done bool, err error) {
	c.at = skipSpace(c.body, c.at)
	switch c.Next() {
	case end:
		c.at++
		return true, nil
	case ',':
		c.at = skipSpace(c.body, c.at+1)
		return false, nil
	}
	return false, &SyntaxError{missing, c.at}
}

// Scalar is a string, a number, a boolean or null.
type Scalar struct {
	First  byte   // the first byte, as Cursor.Next returns it
	Text   []byte // of a string; it may refer to the document
	number number
}

// Bool returns the value of a boolean.
func (s *Scalar) Bool() (v, ok bool) { return s.First == 't', s.First == 't' || s.First == 'f' }

// IsString reports whether it is a string.
func (s *Scalar) IsString() bool { return s.First == '"' }

// IsNumber reports whether it is a number.
func (s *Scalar) IsNumber() bool { return s.number.token != nil }

// Int64 returns the value of an integer.
func (s *Scalar) Int64() (v int64, ok bool) {
	v, ok = s.number.int64()
	return v, ok && s.IsNumber()
}

// Uint64 returns the value of an integer that is not negative.
func (s *Scalar) Uint64() (v uint64, ok bool) {
	v, ok = s.number.uint64()
	return v, ok && s.IsNumber()
}

// Float64 returns the value of a number.
func (s *Scalar) Float64() float64 { return s.number.float64() }

// Scalar reads a scalar.
func (c *Cursor) Scalar() (s Scalar, err error) {
	s.First = c.Next()
	switch s.First {
	case '"':
		s.Text, err = c.text()
		return s, err
	case '{', '[':
		return s, c.fail(&ValueError{Offset: c.at})
	case 't', 'f', 'n', 0, ',', ':', ']', '}':
		return s, c.Skip()
	}
	var f *fault
	var end int
	if s.number, end, f = scanNumber(c.body, c.at); f != nil {
		return s, &SyntaxError{f.text, f.at}
	}
	c.at = end
	return s, nil
}

// text reads a string.
func (c *Cursor) text() ([]byte, error) {
	end, escaped, f := scanString(c.body, c.at)
	if f != nil {
		return nil, &SyntaxError{f.text, f.at}
	}
	raw := c.body[c.at+1 : end-1]
	c.at = end
	if escaped {
		return appendUnescaped(make([]byte, 0, len(raw)), raw), nil
	}
	return raw, nil
}

// specs has a spec of each element type that JSON can carry, for the fast path's targets.
var specs = func() (s [32]tensor.Spec) {
	for d := range s {
		s[d].DType = tensor.DType(d)
	}
	return s
}()

// Tensor reads elements of a type into the arena: one scalar, or lists nested in any way, row by row. The tensor has no shape. A
// *ValueError has the offset of the first value that is no such element.
func (c *Cursor) Tensor(d tensor.DType, a *tensor.Arena) (tensor.Tensor, error) {
	f := newFast(c.body, nil, a)
	defer f.release()
	f.begin = c.at
	f.targets = append(f.targets[:0], target{spec: &specs[d], arena: a})
	f.nests = append(f.nests[:0], nest{rank: -1})
	end, ok := f.value(0, c.at)
	if !ok {
		t := &f.targets[0]
		t.data, t.strings = t.data[:0], t.strings[:0]
		at, err := f.flatten(t, c.at)
		if err != nil {
			bad := c.To(at)
			if v, ok := err.(*ValueError); ok {
				err = bad.fail(v)
			}
			return tensor.Tensor{}, err
		}
		end = at
	}
	c.at = end
	return f.targets[0].tensor(), nil
}

// flatten decodes elements in lists of any form, for which the fast path gives up.
func (f *fast) flatten(t *target, i int) (end int, err error) {
	b := f.body
	for depth, after := 0, false; ; {
		i = skipSpace(b, i)
		switch c := peek(b, i); {
		case !after && c == '[':
			depth++
			i = skipSpace(b, i+1)
			if peek(b, i) == ']' {
				depth--
				i++
				after = true
			}
		case !after:
			end, ok := f.scalar(t, i)
			if !ok {
				return i, &ValueError{t.spec.DType, i}
			}
			i, after = end, true
		case c == ',':
			i++
			after = false
		case c == ']':
			depth--
			i++
		default:
			return i, &SyntaxError{arrayUnfinished, i}
		}
		if after && depth == 0 {
			return i, nil
		}
	}
}

// DecodeBase64 decodes s in place, as "b64" values of predictions are decoded; ok is false if it is no base64.
func DecodeBase64(s []byte) (_ []byte, ok bool) { return appendBase64(s[:0], s) }

// AppendElements appends a tensor's elements, row by row, with commas between them.
func AppendElements(dst []byte, t *tensor.Tensor) []byte {
	p := printer{tensor: t}
	return p.elements(slices.Grow(dst, textSize(t)), t.Len())
}
