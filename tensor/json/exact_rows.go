package json

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// rows converts the elements of "instances". The first one decides whether they are objects with a member for each
// input or plain values of the only input; a base64 object is a plain value.
func (x *exact) rows(list uint32) error {
	d := x.doc
	if !d.is(list+1, kindObject) && len(x.targets) > 1 {
		return invalid("instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map")
	}
	isObject := func(v uint32) bool { return d.is(v, kindObject) && d.base64(v) == 0 }
	objects := isObject(list + 1)
	seen := make([]int, len(x.targets)) // 1 + the last row that had the input
	for i, row := range d.elements(list) {
		switch {
		case objects && !isObject(row):
			return invalidf("Expecting object but got list at item %d of input list", i)
		case objects:
			if err := x.rowObject(i, row, seen); err != nil {
				return err
			}
		case isObject(row):
			return invalidf("Expecting value/list but got object at item %d of input list", i)
		default:
			if err := x.rowValue(&x.targets[0], row, i == 0); err != nil {
				return invalidf("Failed to process element: %d of 'instances' list. Error: %s", i, coded(err))
			}
		}
	}
	for i := range x.targets {
		if t := &x.targets[i]; t.shape != nil {
			t.shape = append(tensor.Shape{int64(d.size(list))}, t.shape...)
		}
	}
	return nil
}

// rowObject converts one row whose members are named inputs.
func (x *exact) rowObject(i int, row uint32, seen []int) error {
	d := x.doc
	found := 0
	for m := range d.members(row) {
		name := d.name(m)
		err := invalidf("JSON object: does not have named input: %s", name)
		if k := x.sig.Input(name); k >= 0 {
			t := &x.targets[k]
			before := t.len()
			err = x.rowValue(t, m+1, i == 0 && seen[k] == 0)
			if seen[k] == i+1 {
				t.truncate(before) // if a name is repeated, the first value counts, but each is checked
			} else {
				seen[k] = i + 1
				found++
			}
		}
		if err != nil {
			return invalidf("Failed to process element: %d key: %s of 'instances' list. Error: %s", i, name, coded(err))
		}
	}
	if found < len(x.targets) {
		return invalidf("Failed to process element: %d of 'instances' list. JSON object: %s keys must be equal to: %s",
			i, d.dump(row), inputNames(x.sig))
	}
	return nil
}

// rowValue converts one row's value of an input. The first row sets the shape that all must have.
func (x *exact) rowValue(t *target, v uint32, first bool) error {
	shape, err := x.shape(t, v)
	if err != nil {
		return err
	}
	before := t.len()
	if err := x.fill(t, v, shape); err != nil {
		return err
	}
	if first {
		t.shape = shape
		return nil
	}
	want, _ := t.shape.Elements()
	if got := t.len() - before; int64(got) != want {
		return invalidf("Expecting tensor size: %d but got: %d", want, got)
	}
	if !shape.Equal(t.shape) {
		return invalidf("Expecting shape %v but got: %v", t.shape, shape)
	}
	return nil
}

// coded formats an error with its code's name, as in messages that embed another error.
func coded(err error) string {
	s := status.Convert(err)
	if s.Code() == codes.Unimplemented {
		return "UNIMPLEMENTED: " + s.Message()
	}
	return "INVALID_ARGUMENT: " + s.Message()
}

// shape takes the shape from the first element at each level, as TensorFlow Serving does. fill then checks the others against it.
func (x *exact) shape(t *target, v uint32) (tensor.Shape, error) {
	d := x.doc
	shape := tensor.Shape{} // not nil, which means that the input was found
	for ; d.is(v, kindArray); v++ {
		if len(shape) == maxRank {
			return nil, rankError(t)
		}
		n := d.size(v)
		shape = append(shape, int64(n))
		if n == 0 {
			break
		}
	}
	return shape, nil
}

// fill appends the elements of v, whose nesting must agree with shape. The nodes are in order, so one pass is enough. ends holds
// the ends of the open lists.
func (x *exact) fill(t *target, v uint32, shape tensor.Shape) error {
	d := x.doc
	rank := len(shape)
	var ends [maxRank]uint32
	level := 0
	for j, end := v, d.next(v); j < end; {
		for level > 0 && ends[level-1] == j {
			level--
		}
		if d.is(j, kindArray) {
			if level >= rank {
				return invalidf("Encountered list at unexpected level: %d expected < %d", level, rank)
			}
			if n := d.size(j); int64(n) != shape[level] {
				return invalidf("Encountered list at unexpected size: %d at level: %d expected size: %d", n, level, shape[level])
			}
			ends[level] = d.next(j)
			level++
			j++
			continue
		}
		if level != rank {
			return invalidf("JSON Value: %s found at incorrect level: %d in the JSON DOM. Expected at level: %d", d.dump(j), level+1, rank)
		}
		if err := x.element(t, j); err != nil {
			return err
		}
		j = d.next(j)
	}
	return nil
}

// element appends one scalar.
func (x *exact) element(t *target, v uint32) error {
	d, dtype := x.doc, t.spec.DType
	k := d.kind(v)
	switch {
	case dtype == tensor.String && k == kindObject:
		payload := d.base64(v)
		if payload == 0 {
			return d.formatError(v, "not formatted correctly for base64 data")
		}
		raw, escaped := d.rawString(payload)
		if escaped {
			raw = appendUnescaped(nil, raw)
		}
		t.reserveText(len(raw))
		start := len(t.text)
		var ok bool
		if t.text, ok = appendBase64(t.text, raw); !ok {
			return invalid("Unable to base64 decode")
		}
		t.addString(start)
		return nil
	case k == kindObject:
		return d.typeError(v, dtype)
	case !decodable(dtype):
		return d.conversionError(v, dtype)
	case dtype == tensor.String && k == kindString:
		raw, _ := d.rawString(v)
		t.reserveText(len(raw))
		start := len(t.text)
		t.text = appendUnescaped(t.text, raw)
		t.addString(start)
		return nil
	case dtype == tensor.Bool && (k == kindTrue || k == kindFalse):
		b := uint8(0)
		if k == kindTrue {
			b = 1
		}
		t.put8(b)
		return nil
	case dtype == tensor.String || dtype == tensor.Bool || k != kindNumber:
		return d.typeError(v, dtype)
	}
	if n := d.number(v); !t.putNumber(&n) {
		return d.typeError(v, dtype)
	}
	return nil
}

// decodable reports whether JSON values can be converted to the type.
func decodable(t tensor.DType) bool {
	return t.Known() && t != tensor.Complex64 && t != tensor.Complex128
}
