package oiprpc

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"shoal/serving"
	"shoal/serving/oip"
	"shoal/tensor"
)

// The fields of ModelInferResponse that differ from the request's, and of ModelStreamInferResponse.
const (
	responseOutputs protowire.Number = 5
	responseRaw     protowire.Number = 6
	streamResponse  protowire.Number = 2
)

// finalParameter is the entry of the parameters that says that no other answer follows: "triton_final_response": true.
var finalParameter = func() []byte {
	entry := protowire.AppendString(protowire.AppendTag(nil, entryKey, protowire.BytesType), "triton_final_response")
	value := protowire.AppendVarint(protowire.AppendTag(nil, boolParam, protowire.VarintType), 1)
	return protowire.AppendBytes(protowire.AppendTag(entry, entryValue, protowire.BytesType), value)
}()

// answerOutput is an output to answer with, and what is to be known of it before it is written.
type answerOutput struct {
	index   int // in the signature
	classes int // of its classification; 0: the output itself is wanted

	tensor   tensor.Tensor
	shape    int // bytes of the packed dimensions
	size     int // of the message InferOutputTensor
	contents int // of the message InferTensorContents; -1: the elements are raw
	values   int // of the elements in contents or in raw_output_contents
}

// selectOutputs finds the outputs to answer with: those that are requested, once each, or all.
func (r *inferRequest) selectOutputs(c *serving.Call, sig *tensor.Signature) error {
	if len(r.outputs) == 0 {
		for i := range sig.Outputs {
			r.answer = append(r.answer, answerOutput{index: i})
		}
		return nil
	}
	for k := range r.outputs {
		out := &r.outputs[k]
		i, err := oip.Output(c, sig, out.name)
		if err != nil {
			return err
		}
		var settings oip.OutputSettings
		for k := range out.parameters {
			p := &out.parameters[k]
			if err := settings.Set(string(p.key), p.value()); err != nil {
				return err
			}
		}
		if !slices.ContainsFunc(r.answer, func(o answerOutput) bool { return o.index == i }) {
			r.answer = append(r.answer, answerOutput{index: i, classes: settings.Classes})
		}
	}
	return nil
}

// EncodeAnswer implements serving.Codec: it writes the ModelInferResponse straight from the outputs' memory. The elements are raw if the
// request's were, or if one of the outputs can only be raw.
func (r *inferRequest) EncodeAnswer(c *serving.Call, outputs []tensor.Tensor) error {
	if err := tensor.Guard(func() error { return r.classify(c.Entry.Signature, outputs) }); err != nil {
		return err
	}
	raw := len(r.raw) > 0
	for k := range r.answer {
		_, typed := contentsFields[r.answer[k].tensor.DType]
		raw = raw || !typed
	}
	sig, version := c.Entry.Signature, versionText(c.Version)
	size := sizeBytes(requestModel, len(r.name)) + sizeBytes(requestVersion, len(version))
	if len(r.id) > 0 {
		size += sizeBytes(requestID, len(r.id))
	}
	if r.marked() {
		size += sizeBytes(requestParameters, len(finalParameter))
	}
	for k := range r.answer {
		o := &r.answer[k]
		o.measure(&sig.Outputs[o.index], raw)
		size += sizeBytes(responseOutputs, o.size)
		if raw {
			size += sizeBytes(responseRaw, o.values)
		}
	}
	whole := size
	if r.streamed {
		whole = sizeBytes(streamResponse, size)
	}
	response, err := r.server.server.NewResponse(whole, func(dst []byte) []byte {
		if r.streamed {
			dst = appendHeader(dst, streamResponse, size)
		}
		return r.write(dst, sig, version, raw)
	})
	if err != nil {
		return err
	}
	r.Exchange.Response = response
	return nil
}

// marked says whether the answer carries the mark of a stream's final answer.
func (r *inferRequest) marked() bool { return r.streamed && r.settings.FinalMarker }

// classify puts the outputs, or what is wanted of them, into the answer.
func (r *inferRequest) classify(sig *tensor.Signature, outputs []tensor.Tensor) (err error) {
	for k := range r.answer {
		o := &r.answer[k]
		o.tensor = outputs[o.index]
		if o.classes == 0 {
			continue
		}
		spec := &sig.Outputs[o.index]
		batched := len(spec.Shape) > 1 && spec.Shape[0] == -1
		if o.tensor, err = oip.Classify(r.Arena, &outputs[o.index], o.classes, batched); err != nil {
			return err
		}
	}
	return nil
}

func (o *answerOutput) measure(spec *tensor.Spec, raw bool) {
	o.shape = 0
	for _, d := range o.tensor.Shape {
		o.shape += protowire.SizeVarint(uint64(d))
	}
	o.size = sizeBytes(tensorName, len(spec.Name)) + sizeBytes(tensorDatatype, len(oip.Datatype(o.tensor.DType)))
	if o.shape > 0 {
		o.size += sizeBytes(tensorShape, o.shape)
	}
	if o.contents = -1; raw {
		o.values = oip.RawSize(&o.tensor)
		return
	}
	o.contents = 0
	switch f := contentsFields[o.tensor.DType]; {
	case o.tensor.DType == tensor.String:
		for _, s := range o.tensor.Strings {
			o.contents += sizeBytes(bytesContents, len(s))
		}
	case o.tensor.Len() > 0:
		o.values = f.PackedSize(&o.tensor)
		o.contents = sizeBytes(f.Number, o.values)
	}
	o.size += sizeBytes(tensorContents, o.contents)
}

func (r *inferRequest) write(dst []byte, sig *tensor.Signature, version string, raw bool) []byte {
	dst = protowire.AppendString(protowire.AppendTag(dst, requestModel, protowire.BytesType), r.name)
	dst = protowire.AppendString(protowire.AppendTag(dst, requestVersion, protowire.BytesType), version)
	if len(r.id) > 0 {
		dst = protowire.AppendBytes(protowire.AppendTag(dst, requestID, protowire.BytesType), r.id)
	}
	if r.marked() {
		dst = protowire.AppendBytes(protowire.AppendTag(dst, requestParameters, protowire.BytesType), finalParameter)
	}
	for k := range r.answer {
		o := &r.answer[k]
		dst = o.write(appendHeader(dst, responseOutputs, o.size), &sig.Outputs[o.index])
	}
	if raw {
		for k := range r.answer {
			o := &r.answer[k]
			dst = oip.AppendRaw(appendHeader(dst, responseRaw, o.values), &o.tensor)
		}
	}
	return dst
}

// write writes the InferOutputTensor.
func (o *answerOutput) write(dst []byte, spec *tensor.Spec) []byte {
	dst = protowire.AppendString(protowire.AppendTag(dst, tensorName, protowire.BytesType), spec.Name)
	dst = protowire.AppendString(protowire.AppendTag(dst, tensorDatatype, protowire.BytesType), oip.Datatype(o.tensor.DType))
	if o.shape > 0 {
		dst = appendHeader(dst, tensorShape, o.shape)
		for _, d := range o.tensor.Shape {
			dst = protowire.AppendVarint(dst, uint64(d))
		}
	}
	if o.contents < 0 {
		return dst
	}
	dst = appendHeader(dst, tensorContents, o.contents)
	for _, s := range o.tensor.Strings {
		dst = protowire.AppendBytes(protowire.AppendTag(dst, bytesContents, protowire.BytesType), s)
	}
	if o.tensor.DType == tensor.String || o.contents == 0 {
		return dst
	}
	f := contentsFields[o.tensor.DType]
	return f.AppendPacked(appendHeader(dst, f.Number, o.values), &o.tensor)
}

// sizeBytes is the size of a field of n bytes, its tag and length included.
func sizeBytes(num protowire.Number, n int) int {
	return protowire.SizeTag(num) + protowire.SizeBytes(n)
}

// appendHeader writes what is in front of a field of n bytes.
func appendHeader(dst []byte, num protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.BytesType), uint64(n))
}
