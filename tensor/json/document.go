package json

import (
	"math"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// node is one value, or one member's name, of a checked document. The nodes are in document order, a container before its contents.
type node struct {
	pos   uint32 // offset of its first byte, which also gives its kind
	next  uint32 // index of the node after it and its contents
	count uint32 // elements of an array; names and values of an object
}

// document is a body that has been parsed; node 0 is its root. It refers to the body.
type document struct {
	body []byte
	tape []node
}

// parseDocument checks the body and lists its nodes. It checks first, so that it makes a tape only for a valid document, of which
// each node takes at least two bytes, and in the right size.
func parseDocument(b []byte) (*document, error) {
	if len(b) == 0 {
		return nil, invalid("JSON Parse error: The document is empty")
	}
	if len(b) > math.MaxUint32 {
		return nil, invalidf("request body of %d bytes is larger than the 4 GiB that JSON is decoded from", len(b))
	}
	start := skipBOM(b)
	check := parser{body: b}
	if _, f := check.value(start); f != nil {
		return nil, invalidf("JSON Parse error: %s at offset: %d", f.text, f.at)
	}
	fill := parser{body: b, tape: make([]node, check.nodes), arrays: check.arrays}
	fill.value(start)
	d := &document{body: b, tape: fill.tape}
	if d.kind(0) != kindObject {
		return nil, d.formatError(0, "Is not object")
	}
	return d, nil
}

// kind returns RapidJSON's name for the type of a value.
type kind string

const (
	kindNull   kind = "Null"
	kindFalse  kind = "False"
	kindTrue   kind = "True"
	kindObject kind = "Object"
	kindArray  kind = "Array"
	kindString kind = "String"
	kindNumber kind = "Number"
)

func (d *document) kind(v uint32) kind {
	switch d.body[d.tape[v].pos] {
	case '{':
		return kindObject
	case '[':
		return kindArray
	case '"':
		return kindString
	case 't':
		return kindTrue
	case 'f':
		return kindFalse
	case 'n':
		return kindNull
	}
	return kindNumber
}

func (d *document) is(v uint32, k kind) bool { return d.kind(v) == k }

func (d *document) next(v uint32) uint32 { return d.tape[v].next }

// size returns the number of elements of an array.
func (d *document) size(v uint32) int { return int(d.tape[v].count) }

// members yields the nodes of an object's names. Each value is the node after its name.
func (d *document) members(object uint32) func(yield func(name uint32) bool) {
	return func(yield func(uint32) bool) {
		for m := object + 1; m < d.next(object); m = d.next(m + 1) {
			if !yield(m) {
				return
			}
		}
	}
}

// elements yields the nodes of an array's elements with their indices.
func (d *document) elements(array uint32) func(yield func(i int, v uint32) bool) {
	return func(yield func(int, uint32) bool) {
		for i, v := 0, array+1; v < d.next(array); i, v = i+1, d.next(v) {
			if !yield(i, v) {
				return
			}
		}
	}
}

// find returns the value of the first member with this name; 0: there is none, because the root is never a member.
func (d *document) find(object uint32, name string) uint32 {
	for m := range d.members(object) {
		raw, escaped := d.rawString(m)
		if !escaped && string(raw) == name || escaped && string(d.appendString(nil, m)) == name {
			return m + 1
		}
	}
	return 0
}

// rawString returns the text of a string between its quotes, as it is in the body.
func (d *document) rawString(v uint32) (raw []byte, escaped bool) {
	pos := int(d.tape[v].pos)
	end, escaped, _ := scanString(d.body, pos)
	return d.body[pos+1 : end-1], escaped
}

// appendString appends the value of a string.
func (d *document) appendString(dst []byte, v uint32) []byte {
	raw, escaped := d.rawString(v)
	if !escaped {
		return append(dst, raw...)
	}
	return appendUnescaped(dst, raw)
}

// name returns a member's name as TensorFlow Serving reads it when it iterates over members: up to the first NUL.
func (d *document) name(m uint32) string {
	s := d.appendString(nil, m)
	if i := slices.Index(s, 0); i >= 0 {
		s = s[:i]
	}
	return string(s)
}

func (d *document) number(v uint32) number {
	n, _, _ := scanNumber(d.body, int(d.tape[v].pos))
	return n
}

// base64 returns the node of the payload of a base64 object, {"b64": "…"} with nothing else in it; 0 for any other value.
func (d *document) base64(v uint32) uint32 {
	if !d.is(v, kindObject) || d.tape[v].count != 2 {
		return 0
	}
	payload := d.find(v, "b64")
	if payload == 0 || !d.is(payload, kindString) {
		return 0
	}
	return payload
}

func (d *document) formatError(v uint32, what string) error {
	return invalidf("JSON Value: %s %s", d.dump(v), what)
}

func (d *document) typeError(v uint32, t tensor.DType) error {
	return invalidf("JSON Value: %s Type: %s is not of expected type: %v", d.dump(v), d.kind(v), t)
}

func (d *document) conversionError(v uint32, t tensor.DType) error {
	return status.Errorf(codes.Unimplemented, "Conversion of JSON Value: %s to type: %v", d.dump(v), t)
}

// signatureName returns the body's signature_name, or "" if there is none.
func (d *document) signatureName() (string, error) {
	v := d.find(0, "signature_name")
	if v == 0 {
		return "", nil
	}
	if !d.is(v, kindString) {
		return "", d.formatError(0, "not formatted correctly. 'signature_name' key must be a string value.")
	}
	return string(d.appendString(nil, v)), nil
}
