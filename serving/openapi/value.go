package openapi

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"shoal/tensor"
)

// element are the types that JSON values become, and the schemas of their values.
var element = map[tensor.DType]*schema{
	tensor.Float32:  {Type: "number", Format: "float", Description: notFinite},
	tensor.Float64:  {Type: "number", Format: "double", Description: notFinite},
	tensor.Float16:  {Type: "number", Description: "A number that is rounded to 16 bits. " + notFinite},
	tensor.BFloat16: {Type: "number", Description: "A number that is rounded to bfloat16. " + notFinite},
	tensor.Int8:     integer("-128", "127"),
	tensor.Int16:    integer("-32768", "32767"),
	tensor.Int32:    integer("-2147483648", "2147483647"),
	tensor.Int64:    integer("-9223372036854775808", "9223372036854775807"),
	tensor.Uint8:    integer("0", "255"),
	tensor.Uint16:   integer("0", "65535"),
	tensor.Uint32:   integer("0", "4294967295"),
	tensor.Uint64:   integer("0", "18446744073709551615"),
	tensor.Bool:     {Type: "boolean"},
	tensor.String: {AnyOf: []*schema{{Type: "string"}, ref(bytesName)},
		Description: "A string of UTF-8, or bytes in base64."},
}

// notFinite is what a JSON schema cannot say.
const notFinite = "The tokens NaN, Infinity and -Infinity, which JSON does not have, are taken and given too."

// bytesName is the component for bytes that need not be UTF-8.
const bytesName = "bytes"

// bytesSchema is an object of exactly this form; its padding may be left out.
func bytesSchema() *schema {
	text := &schema{Type: "string", Encoding: "base64", Pattern: `^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}(==)?|[A-Za-z0-9+/]{3}=?)?$`}
	s := object(map[string]*schema{"b64": text}, "b64")
	s.Additional = false
	return s
}

// integer is written without fraction and exponent: 1.0 is none.
func integer(least, most json.Number) *schema {
	return &schema{Type: "integer", Minimum: least, Maximum: most, Description: "Written without fraction and exponent."}
}

// inJSON says that tensors of this type can be written as JSON.
func inJSON(dt tensor.DType) bool { return element[dt] != nil }

// item is the schema of one element. An output whose name ends in _bytes is given in base64, any other as it is.
func (b *builder) item(dt tensor.DType, output bool, name string) *schema {
	if dt == tensor.String {
		b.need(bytesName, bytesSchema)
		switch {
		case output && strings.HasSuffix(name, "_bytes"):
			return ref(bytesName)
		case output:
			return &schema{Type: "string"}
		}
	}
	b.need(dt.String(), func() *schema { return element[dt] })
	return ref(dt.String())
}

// maxLength is the longest array whose length is told: tools keep lengths in 32 bits.
const maxLength = math.MaxInt32

// maxRank is the largest number of dimensions that a tensor has in TensorFlow. A signature may claim more, and is not described.
const maxRank = 254

// maxDescribedRank is the deepest nesting that is described to its elements where a tensor has any rank.
const maxDescribedRank = 6

// value is the schema of a tensor of this shape: nested arrays. A tensor of any rank is an element, or arrays nested alike; not
// an array of the same again, since generators of clients leave out a schema that refers to itself.
func (b *builder) value(s *tensor.Spec, shape tensor.Shape, output bool) *schema {
	v := b.item(s.DType, output, s.Name)
	if s.UnknownRank {
		name := "any." + v.Type + strings.TrimPrefix(v.Ref, "#/components/schemas/")
		b.need(name, func() *schema {
			s := &schema{AnyOf: []*schema{v}, Description: "One value, or a list of such that have all the same form."}
			deeper := array(new(schema))
			for range maxDescribedRank {
				v, deeper = array(v), array(deeper)
				s.AnyOf = append(s.AnyOf, v)
			}
			s.AnyOf = append(s.AnyOf, deeper)
			return s
		})
		return ref(name)
	}
	for i := len(shape) - 1; i >= 0; i-- {
		v = array(v)
		if shape[i] <= maxLength {
			v.times(shape[i])
		} else {
			v.Description = fmt.Sprintf("As many as %d: more than can be sent.", shape[i])
		}
	}
	return v
}

// whole is the schema of a tensor.
func (b *builder) whole(s *tensor.Spec, output bool) *schema { return b.value(s, s.Shape, output) }

// row is the schema of one row of a tensor.
func (b *builder) row(s *tensor.Spec, output bool) *schema {
	if s.UnknownRank {
		return b.value(s, nil, output)
	}
	return b.value(s, s.Shape[1:], output)
}
