package json

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// ExamplesRequest is a decoded classify or regress body.
type ExamplesRequest struct {
	SignatureName string
	// Examples are serialised tf.Example messages, each after the serialised context if there is one. To a parser of protocol
	// buffers, joined bytes are merged messages, in which a feature of the example replaces one of the context.
	Examples [][]byte
}

// DecodeExamples decodes the body of a classify or regress request. The error texts are the same for both methods: TensorFlow
// Serving says "classify" in both.
func DecodeExamples(body []byte, method string) (*ExamplesRequest, error) {
	d, err := parseDocument(body)
	if err != nil {
		return nil, err
	}
	req := new(ExamplesRequest)
	if req.SignatureName, err = d.signatureName(); err != nil {
		return nil, err
	}
	var context []byte
	if v := d.find(0, "context"); v != 0 {
		if context, err = d.appendExample(nil, v); err != nil {
			return nil, err
		}
	}
	list := d.find(0, "examples")
	switch {
	case list == 0:
		return nil, d.formatError(0, "When method is classify, key 'examples' is expected and was not found")
	case !d.is(list, kindArray):
		return nil, d.formatError(0, "Expecting 'examples' value to be an list/array")
	case d.size(list) == 0:
		return nil, d.formatError(0, "'examples' value is an empty array")
	}
	req.Examples = make([][]byte, 0, d.size(list))
	for _, v := range d.elements(list) {
		example, err := d.appendExample(context[:len(context):len(context)], v)
		if err != nil {
			return nil, err
		}
		req.Examples = append(req.Examples, example)
	}
	return req, nil
}

// The field numbers of tf.Example, Features, its map's entries, Feature and the three lists.
const (
	exampleFeatures = 1
	featuresFeature = 1
	entryKey        = 1
	entryValue      = 2
	featureBytes    = 1
	featureFloats   = 2
	featureInts     = 3
	listValue       = 1
)

// appendExample appends the tf.Example that an object describes.
func (d *document) appendExample(dst []byte, v uint32) ([]byte, error) {
	if !d.is(v, kindObject) {
		return nil, invalidf("Example must be JSON object but got JSON %s", d.kind(v))
	}
	var features []byte
	for m := range d.members(v) {
		name := d.name(m)
		f := feature{doc: d, name: name}
		err := f.content(m + 1)
		if err != nil {
			return nil, err
		}
		var entry []byte
		entry = protowire.AppendTag(entry, entryKey, protowire.BytesType)
		entry = protowire.AppendString(entry, name)
		entry = protowire.AppendTag(entry, entryValue, protowire.BytesType)
		entry = protowire.AppendBytes(entry, f.message())
		features = protowire.AppendTag(features, featuresFeature, protowire.BytesType)
		features = protowire.AppendBytes(features, entry)
	}
	if len(features) == 0 {
		return dst, nil
	}
	dst = protowire.AppendTag(dst, exampleFeatures, protowire.BytesType)
	return protowire.AppendBytes(dst, features), nil
}

// feature collects the values of one feature. The first value decides the kind of all.
type feature struct {
	doc  *document
	name string
	kind protowire.Number // the list's field; 0 while there is no value
	list []byte           // the list message's fields; for numbers, the inside of its one packed field
}

func (f *feature) content(v uint32) error {
	if !f.doc.is(v, kindArray) {
		return f.add(v)
	}
	for _, e := range f.doc.elements(v) {
		if err := f.add(e); err != nil {
			return err
		}
	}
	return nil
}

func (f *feature) add(v uint32) error {
	d := f.doc
	switch k := d.kind(v); k {
	case kindTrue, kindFalse:
		n := uint64(0)
		if k == kindTrue {
			n = 1
		}
		return f.addInt(n)
	case kindString:
		return f.addBytes(d.appendString(nil, v))
	case kindObject:
		payload := d.base64(v)
		if payload == 0 {
			break
		}
		if err := f.expect(featureBytes); err != nil {
			return err
		}
		decoded, ok := appendBase64(nil, d.appendString(nil, payload))
		if !ok {
			return invalid("Unable to base64 decode")
		}
		return f.addBytes(decoded)
	case kindNumber:
		n := d.number(v)
		if !n.integer {
			if err := f.expect(featureFloats); err != nil {
				return err
			}
			f.list = protowire.AppendFixed32(f.list, math.Float32bits(n.float32()))
			return nil
		}
		if err := f.expect(featureInts); err != nil {
			return err
		}
		i, ok := n.int64()
		if !ok {
			return invalidf("Feature: %s has uint64_t element. Only int64_t is supported.", f.name)
		}
		return f.addInt(uint64(i))
	}
	return invalidf("Feature: %s has element with unexpected JSON type: %s", f.name, d.kind(v))
}

// expect sets the kind at the first value, and checks it afterwards.
func (f *feature) expect(kind protowire.Number) error {
	if f.kind == 0 {
		f.kind = kind
	}
	if f.kind != kind {
		name := map[protowire.Number]string{featureBytes: "bytes", featureFloats: "float", featureInts: "int64"}[f.kind]
		return invalidf("Unexpected element type in feature: %s expecting type: %s", f.name, name)
	}
	return nil
}

func (f *feature) addInt(v uint64) error {
	if err := f.expect(featureInts); err != nil {
		return err
	}
	f.list = protowire.AppendVarint(f.list, v)
	return nil
}

func (f *feature) addBytes(v []byte) error {
	if err := f.expect(featureBytes); err != nil {
		return err
	}
	f.list = protowire.AppendTag(f.list, listValue, protowire.BytesType)
	f.list = protowire.AppendBytes(f.list, v)
	return nil
}

// message returns the serialised Feature. It is empty, with no kind set, if there was no value.
func (f *feature) message() []byte {
	if f.kind == 0 {
		return nil
	}
	list := f.list
	if f.kind != featureBytes {
		list = protowire.AppendBytes(protowire.AppendTag(nil, listValue, protowire.BytesType), f.list)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, f.kind, protowire.BytesType), list)
}
