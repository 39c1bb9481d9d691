package v2

import (
	base64encoding "encoding/base64"
	"strconv"
	"unicode/utf8"

	"shoal/serving"
	"shoal/serving/oip"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// EncodeAnswer implements serving.Codec.
func (c *call) EncodeAnswer(_ *serving.Call, outputs []tensor.Tensor) error {
	return tensor.Guard(func() error { return c.encode(outputs) })
}

// encode writes the answer in one pass: the JSON, then the binary tensors in the same order.
func (c *call) encode(outputs []tensor.Tensor) error {
	size, binary := answerSize+2*len(c.req.id), false
	for k := range c.req.outputs {
		out := &c.req.outputs[k]
		t, spec := &outputs[out.index], &c.Entry.Signature.Outputs[out.index]
		if out.Classes > 0 {
			classes, err := oip.Classify(c.Arena, t, out.Classes, len(spec.Shape) > 0 && spec.Shape[0] < 0)
			if err != nil {
				return err
			}
			out.classes = classes
		}
		t = out.tensor(outputs)
		if !out.binary && !out.base64 && !printable(t) {
			return invalid("output '%s' of model '%s' has strings that are not UTF-8, which JSON cannot carry: "+
				"ask for it as binary, with its parameter 'binary_data', or as base64, with 'content_type'", spec.Name, c.Model)
		}
		binary = binary || out.binary
		size += out.size(t, len(spec.Name))
	}
	return c.Respond(size, func(dst []byte) ([]byte, error) {
		dst = c.appendJSON(dst, outputs)
		if !binary {
			return dst, nil
		}
		h := &c.HTTP.Response.Header
		h.SetContentType("application/octet-stream")
		var digits [20]byte
		h.SetCanonical(headerLength, strconv.AppendInt(digits[:0], int64(len(dst)), 10))
		for k := range c.req.outputs {
			if out := &c.req.outputs[k]; out.binary {
				dst = oip.AppendRaw(dst, out.tensor(outputs))
			}
		}
		return dst, nil
	})
}

// answerSize is about how long an answer is without its outputs.
const answerSize = 256

// tensor is what the output is answered with.
func (o *output) tensor(outputs []tensor.Tensor) *tensor.Tensor {
	if o.Classes > 0 {
		return &o.classes
	}
	return &outputs[o.index]
}

// size is about how long the output is in the answer.
func (o *output) size(t *tensor.Tensor, name int) int {
	n := 128 + 2*name + 20*len(t.Shape)
	if o.binary {
		return n + oip.RawSize(t)
	}
	n += 4 * len(t.Data)
	for _, s := range t.Strings {
		n += 2*len(s) + 8
	}
	return n
}

// printable reports whether JSON can carry a tensor's strings.
func printable(t *tensor.Tensor) bool {
	for _, s := range t.Strings {
		if !utf8.Valid(s) {
			return false
		}
	}
	return true
}

func (c *call) appendJSON(dst []byte, outputs []tensor.Tensor) []byte {
	dst = append(dst, '{')
	if len(c.req.id) > 0 {
		dst = append(tensorjson.AppendString(append(dst, `"id":`...), c.req.id), ',')
	}
	dst = appendText(append(dst, `"model_name":`...), c.Model)
	dst = strconv.AppendInt(append(dst, `,"model_version":"`...), c.Version, 10)
	dst = append(dst, `","outputs":[`...)
	for k := range c.req.outputs {
		if k > 0 {
			dst = append(dst, ',')
		}
		out := &c.req.outputs[k]
		dst = out.appendJSON(dst, c.Entry.Signature.Outputs[out.index].Name, out.tensor(outputs))
	}
	return append(dst, "]}"...)
}

func (o *output) appendJSON(dst []byte, name string, t *tensor.Tensor) []byte {
	dst = appendText(append(dst, `{"name":`...), name)
	dst = append(append(dst, `,"datatype":"`...), oip.Datatype(t.DType)...)
	dst = append(dst, `","shape":[`...)
	for i, d := range t.Shape {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, d, 10)
	}
	dst = append(dst, ']')
	switch {
	case o.binary:
		dst = strconv.AppendInt(append(dst, `,"parameters":{"binary_data_size":`...), int64(oip.RawSize(t)), 10)
		return append(dst, "}}"...)
	case o.base64 && t.DType == tensor.String:
		dst = append(dst, `,"parameters":{"content_type":"base64"},"data":[`...)
		for i, s := range t.Strings {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = base64encoding.StdEncoding.AppendEncode(append(dst, '"'), s)
			dst = append(dst, '"')
		}
	default:
		dst = tensorjson.AppendElements(append(dst, `,"data":[`...), t)
	}
	return append(dst, "]}"...)
}

func appendText(dst []byte, s string) []byte { return tensorjson.AppendString(dst, []byte(s)) }
