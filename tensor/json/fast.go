package json

import (
	"slices"
	"sync"

	"shoal/tensor"
)

// fast decodes well-formed bodies of the usual shapes in one pass over the text. It gives up (its methods return ok == false) at
// anything that it does not expect; then the exact path decides. The exact path accepts all that fast accepts, with the same
// result.
type fast struct {
	body    []byte
	lookup  lookup
	name    string // signature_name, once known
	named   bool
	sig     *tensor.Signature
	arena   *tensor.Arena
	format  Format
	found   bool     // the values were found
	late    bool     // the values must be read again, because the signature's name comes after them
	targets []target // one for each input
	nests   []nest   // the shape of each input's value, or of each row's
	begin   int      // offset at which the values begin
	tail    [2 * window]byte
}

var fasts = sync.Pool{New: func() any { return new(fast) }}

// newFast returns a decoder for one body. The caller releases it.
func newFast(body []byte, resolve Resolve, a *tensor.Arena) *fast {
	f := fasts.Get().(*fast)
	f.body, f.arena, f.lookup.resolve = body, a, resolve
	return f
}

// release returns the decoder to the pool, with the memory of its lists.
func (f *fast) release() {
	clear(f.targets)
	*f = fast{targets: f.targets[:0], nests: f.nests[:0]}
	fasts.Put(f)
}

// decode returns nil if it gives up.
func (f *fast) decode() *PredictRequest {
	if !f.document() {
		return nil
	}
	if f.late {
		f.found, f.late = false, false
		if !f.document() || f.late {
			return nil
		}
	}
	if !f.found {
		return nil
	}
	inputs := f.arena.Tensors(len(f.targets))
	for i := range f.targets {
		inputs[i] = f.targets[i].tensor()
	}
	return &PredictRequest{Signature: f.sig, Format: f.format, Inputs: inputs}
}

// document reads the top-level object. It ignores what follows.
func (f *fast) document() bool {
	b := f.body
	i := skipSpace(b, skipBOM(b))
	if peek(b, i) != '{' {
		return false
	}
	for first := true; ; first = false {
		key, next, ok := f.key(i, first)
		if !ok {
			return false
		}
		i = next
		switch string(key) {
		case "signature_name":
			i, ok = f.signatureName(i)
		case "instances":
			i, ok = f.values(i, Row)
		case "inputs":
			i, ok = f.values(i, Column)
		default:
			i, ok = f.skip(i)
		}
		if !ok {
			return false
		}
		i = skipSpace(b, i)
		switch peek(b, i) {
		case ',':
		case '}':
			return true
		default:
			return false
		}
	}
}

// key reads a member's name and the colon after it, from the opening brace or the comma at i on, and returns the offset of the
// value.
func (f *fast) key(i int, first bool) (key []byte, next int, ok bool) {
	b := f.body
	start := skipSpace(b, i+1)
	if peek(b, start) != '"' {
		return nil, 0, false // also an empty object
	}
	end := start + 1 + plain(b, start+1)
	if peek(b, end) != '"' {
		return nil, 0, false
	}
	i = skipSpace(b, end+1)
	if peek(b, i) != ':' {
		return nil, 0, false
	}
	return b[start+1 : end], skipSpace(b, i+1), true
}

// skip skips any value.
func (f *fast) skip(i int) (int, bool) {
	p := parser{body: f.body}
	end, fault := p.value(i)
	return end, fault == nil
}

func (f *fast) signatureName(i int) (int, bool) {
	b := f.body
	if peek(b, i) != '"' {
		return 0, false
	}
	end := i + 1 + plain(b, i+1)
	if peek(b, end) != '"' {
		return 0, false
	}
	name := b[i+1 : end]
	switch {
	case !f.named:
		f.named, f.name = true, string(name)
		// The values, if they came before, were decoded for the default signature.
		f.late = f.found && (f.sig == nil || f.name != "" && f.name != defaultSignature)
	case f.name != string(name):
		return 0, false // a second name
	}
	return end + 1, true
}

// values decodes the value of "instances" or "inputs".
func (f *fast) values(i int, format Format) (int, bool) {
	if f.found {
		return 0, false
	}
	f.found, f.format, f.begin = true, format, i
	sig, err := f.lookup.signature(f.name)
	if err != nil && !f.named {
		f.sig = nil
		f.late = true // until a name comes; if none does, the second pass gives up
		return f.skip(i)
	}
	if err != nil || len(sig.Inputs) == 0 || len(sig.Inputs) > 64 {
		return 0, false
	}
	f.sig = sig
	f.targets, f.nests = f.targets[:0], f.nests[:0]
	for k := range sig.Inputs {
		f.targets = append(f.targets, target{spec: &sig.Inputs[k], arena: f.arena})
		f.nests = append(f.nests, nest{rank: -1})
	}
	plain := !f.objectFollows(i, format)
	switch {
	case plain && len(f.targets) > 1:
		return 0, false
	case plain:
		i, ok := f.value(0, i)
		shape := f.arena.Shape(f.nests[0].sizes())
		f.targets[0].shape = shape
		return i, ok && (format == Column || len(shape) > 0 && shape[0] > 0)
	case format == Row:
		return f.rowObjects(i)
	}
	i, seen, ok := f.object(i, true)
	for k := range f.targets {
		f.targets[k].shape = f.arena.Shape(f.nests[k].sizes())
	}
	return i, ok && seen == 1<<len(f.targets)-1
}

// rowObjects decodes [{"a": …, "b": …}, …].
func (f *fast) rowObjects(i int) (int, bool) {
	b := f.body
	for rows := int64(1); ; rows++ {
		i = skipSpace(b, i+1) // after the bracket or the comma
		if peek(b, i) != '{' {
			return 0, false
		}
		end, seen, ok := f.object(i, false)
		if !ok || seen != 1<<len(f.targets)-1 {
			return 0, false
		}
		i = skipSpace(b, end)
		switch peek(b, i) {
		case ',':
		case ']':
			for k := range f.targets {
				f.targets[k].shape = f.arena.Shape(slices.Insert(f.nests[k].sizes(), 0, rows))
			}
			return i + 1, true
		default:
			return 0, false
		}
	}
}

// object decodes an object whose members are inputs, and reports which it has. If extra is set, it skips other members.
func (f *fast) object(i int, extra bool) (end int, seen uint64, ok bool) {
	b := f.body
	guess := 0 // members usually come in the same order
	for first := true; ; first = false {
		key, next, ok := f.key(i, first)
		if !ok || string(key) == "b64" {
			return 0, 0, false
		}
		i = next
		if guess >= len(f.targets) || f.sig.Inputs[guess].Name != string(key) {
			guess = f.sig.Input(text(key))
		}
		switch {
		case guess < 0 && extra:
			i, ok = f.skip(i)
		case guess < 0 || seen>>guess&1 != 0:
			return 0, 0, false
		default:
			seen |= 1 << guess
			i, ok = f.value(guess, i)
		}
		if !ok {
			return 0, 0, false
		}
		guess++
		i = skipSpace(b, i)
		switch peek(b, i) {
		case ',':
		case '}':
			return i + 1, seen, true
		default:
			return 0, 0, false
		}
	}
}
