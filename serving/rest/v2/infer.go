package v2

import (
	"context"
	"strconv"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/oip"
	"shoal/serving/predictionlog"
	"shoal/tensor"
)

// headerLength is the header that says how many bytes of a body are JSON, where binary tensors follow.
var headerLength = []byte("Inference-Header-Content-Length")

// infer answers an inference request.
func (c *call) infer() error {
	c.NewArena()
	if err := serving.Predict(c.Context, &c.Call, c); err != nil {
		return err
	}
	c.Describe()
	return nil
}

// DecodeRequest implements serving.Codec. The model is looked up first, as in Triton.
func (c *call) DecodeRequest(context.Context, *serving.Call) error {
	if err := c.pin(); err != nil {
		return err
	}
	return c.Body(c.pin, c.decode)
}

// decode reads a request whose version is pinned, unless its parameters name another.
func (c *call) decode(body []byte) error {
	n, err := c.jsonLength(len(body))
	if err != nil {
		return err
	}
	r := &c.req
	raw := n == 0
	if !raw {
		if err := r.read(body[:n], c.Arena); err != nil {
			return err
		}
	}
	if r.settings.Label != "" {
		c.Unpin()
		if err := c.pinLabel(r.settings.Label); err != nil {
			return err
		}
	}
	sig, err := oip.FindSignature(&c.Call, r.settings.Signature)
	if err != nil {
		return err
	}
	b := binder{call: c, sig: sig, rest: body[n:], Decoder: oip.Decoder{Arena: c.Arena, Left: memoryShare*int64(len(body)) + memoryShare, Model: c.Model}}
	if len(b.rest) > 0 {
		b.rest = c.Keep(b.rest)
	}
	if raw {
		r.settings.BinaryOutput = true
		err = b.raw()
	} else {
		err = b.bind()
	}
	if err != nil {
		return err
	}
	c.Deadline = r.settings.Deadline(c.Deadline, c.Start)
	c.Entry = batcher.Entry{Signature: sig, Inputs: b.inputs, Arena: c.Arena, Deadline: c.Deadline, Priority: r.settings.Priority}
	return r.selectOutputs(c, sig)
}

// memoryShare bounds how much memory a byte of a body becomes as tensors: a string takes four bytes of it at least.
const memoryShare = 8

// jsonLength is how many bytes of a body are JSON: all, if no header says otherwise. 0: the body is one tensor.
func (c *call) jsonLength(size int) (int, error) {
	sent := c.HTTP.Request.Header.PeekBytes(headerLength)
	if len(sent) == 0 {
		if size == 0 {
			return 0, invalid("failed to parse the request JSON buffer: The document is empty. at 0")
		}
		return size, nil
	}
	n, err := strconv.Atoi(string(sent))
	if err != nil {
		return 0, invalid("Unable to parse Inference-Header-Content-Length, got: %s", sent)
	}
	if n < 0 || n > size {
		return 0, invalid("inference header size should be in range (0, %d), got: %d", size, n)
	}
	return n, nil
}

// selectOutputs finds the outputs that are answered.
func (r *request) selectOutputs(c *call, sig *tensor.Signature) error {
	if len(r.outputs) == 0 {
		for i := range sig.Outputs {
			r.outputs = append(r.outputs, output{index: i})
		}
	}
	for k := range r.outputs {
		out := &r.outputs[k]
		if out.name != nil {
			i, err := oip.Output(&c.Call, sig, out.name)
			if err != nil {
				return err
			}
			out.index, out.name = i, nil // the name lies in the body
		}
		out.binary = r.settings.BinaryOutput
		if out.Binary != nil {
			out.binary = *out.Binary
		}
	}
	return nil
}

// Sample implements serving.Codec.
func (c *call) Sample(_ *serving.Call, outputs []tensor.Tensor) {
	log := c.api.opt.Logs.For(c.Handle.Model)
	if !log.Sampled() {
		return
	}
	asked := &apis_go_proto.ModelSpec{Name: c.Handle.Model, SignatureName: c.Signature}
	if spec, err := oip.ModelSpec(c.target.model, c.target.version, c.req.settings.Label); err == nil && spec.Version != nil {
		asked.VersionChoice = &apis_go_proto.ModelSpec_Version{Version: wrapperspb.Int64(*spec.Version)}
	} else if spec.Label != "" {
		asked.VersionChoice = &apis_go_proto.ModelSpec_VersionLabel{VersionLabel: spec.Label}
	}
	selected := make([]int, len(c.req.outputs))
	for k := range selected {
		selected[k] = c.req.outputs[k].index
	}
	log.Write(predictionlog.Predict(c.Handle, asked, c.Entry.Signature, c.Entry.Inputs, outputs, selected))
}

// binder makes a signature's inputs of what a request has.
type binder struct {
	oip.Decoder
	*call
	sig    *tensor.Signature
	rest   []byte // of the body: binary tensors that have not been read. It lasts as long as the arena
	inputs []tensor.Tensor
}

// bind puts the inputs into the signature's order, with the model's defaults for those not sent.
func (b *binder) bind() error {
	b.inputs = b.Arena.Tensors(len(b.sig.Inputs))
	for k := range b.req.inputs {
		in := &b.req.inputs[k]
		i, err := oip.Input(&b.Call, b.sig, in.name, in.datatype)
		if err != nil {
			return err
		}
		if b.inputs[i].DType != tensor.Invalid {
			return b.wrongInputs()
		}
		if b.inputs[i], err = b.tensor(&b.sig.Inputs[i], in); err != nil {
			return err
		}
	}
	if len(b.rest) > 0 {
		return invalid("unexpected additional input data for model '%s'", b.Model)
	}
	for i := range b.inputs {
		spec := &b.sig.Inputs[i]
		switch {
		case b.inputs[i].DType != tensor.Invalid:
		case spec.Default == nil:
			return b.wrongInputs()
		case spec.Default.DType != spec.DType:
			return status.Errorf(codes.InvalidArgument, "the default of input '%s' of model '%s' is %v and not %v: send the input",
				spec.Name, b.Model, spec.Default.DType, spec.DType)
		default:
			b.inputs[i] = *spec.Default
		}
	}
	return nil
}

// tensor is an input's tensor: of its member data, or of the part of the body that comes next.
func (b *binder) tensor(spec *tensor.Spec, in *input) (tensor.Tensor, error) {
	shape := b.req.shape(in)
	if in.data == 0 {
		if in.binary > len(b.rest) {
			return tensor.Tensor{}, invalid("unexpected size for input '%s', expecting %d bytes for model '%s'", spec.Name, in.binary, b.Model)
		}
		raw := b.rest[:in.binary:in.binary]
		b.rest = b.rest[in.binary:]
		return b.Raw(spec, shape, raw)
	}
	n, err := b.Elements(spec, shape)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if int64(in.values.Len()) != n {
		return tensor.Tensor{}, invalid("Unable to parse 'data': Shape does not match true shape of 'data' field: input '%s' has %d elements for the shape %v",
			spec.Name, in.values.Len(), shape)
	}
	in.values.Shape = b.Arena.Shape(shape)
	return in.values, nil
}

func (b *binder) wrongInputs() error {
	names := make([]string, len(b.req.inputs))
	for i := range names {
		names[i] = string(b.req.inputs[i].name)
	}
	return oip.WrongInputs(&b.Call, b.sig, names)
}

// raw takes the whole body as the only input. Its variable dimension follows from the size; others are 1. A string is one element.
func (b *binder) raw() error {
	if n := len(b.sig.Inputs); n != 1 {
		return invalid("Raw request must only have 1 input to be deduced but got %d inputs in '%s' model configuration", n, b.Model)
	}
	spec := &b.sig.Inputs[0]
	shape := bytesShape(spec, len(b.rest))
	b.inputs = b.Arena.Tensors(1)
	if spec.DType == tensor.String {
		if n, ok := shape.Elements(); !ok || n != 1 {
			return invalid("the raw request is one string, and input '%s' of model '%s' has the shape %v", spec.Name, b.Model, spec.Shape)
		}
		b.inputs[0] = tensor.Tensor{DType: tensor.String, Shape: b.Arena.Shape(shape), Strings: [][]byte{b.rest}}
		return nil
	}
	var err error
	b.inputs[0], err = b.Raw(spec, shape, b.rest)
	return err
}

// bytesShape is the shape of an input of that many bytes. All its variable dimensions but the last are 1.
func bytesShape(spec *tensor.Spec, size int) tensor.Shape {
	shape := append(tensor.Shape{}, spec.Shape...)
	if spec.UnknownRank {
		shape = tensor.Shape{-1}
	}
	last, known := -1, int64(max(spec.DType.Size(), 1))
	for i, d := range shape {
		if d >= 0 {
			known *= max(d, 1)
			continue
		}
		if last >= 0 {
			shape[last] = 1
		}
		last = i
	}
	if last >= 0 {
		shape[last] = 1
		if spec.DType != tensor.String {
			shape[last] = int64(size) / max(known, 1)
		}
	}
	return shape
}
