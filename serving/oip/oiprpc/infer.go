package oiprpc

import (
	"context"
	"strconv"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/oip"
	"shoal/serving/oip/inferencepb"
	"shoal/serving/predictionlog"
	"shoal/tensor"
)

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// modelInfer answers ModelInfer.
func (s *service) modelInfer(ctx context.Context, req *inferRequest) (any, error) {
	req.server = s
	call := &req.Exchange.Call
	defer call.Unpin()
	if err := serving.Predict(ctx, call, req); err != nil {
		return nil, err
	}
	return req.Exchange.Response, nil
}

// modelStreamInfer answers one request of a ModelStreamInfer.
func (s *service) modelStreamInfer(ctx context.Context, req *inferRequest) (any, error) {
	req.streamed = true
	return s.modelInfer(ctx, req)
}

// grpcErrors is the metadata by which a client wants its stream to end with the status of the first error.
const grpcErrors = "triton_grpc_error"

// streamFailure makes the answer to a request of a stream that got an error.
func streamFailure(ctx context.Context, req *inferRequest, err error) (any, error) {
	if wish := metadata.ValueFromIncomingContext(ctx, grpcErrors); len(wish) > 0 && wish[0] == "true" {
		return nil, err
	}
	return &inferencepb.ModelStreamInferResponse{
		ErrorMessage: status.Convert(err).Message(), InferResponse: &inferencepb.ModelInferResponse{Id: string(req.id)},
	}, nil
}

// DecodeRequest implements serving.Codec.
func (r *inferRequest) DecodeRequest(ctx context.Context, c *serving.Call) error {
	for i := range r.parameters {
		p := &r.parameters[i]
		if err := r.settings.Set(string(p.key), p.value()); err != nil {
			return err
		}
	}
	spec, err := oip.ModelSpec(r.name, string(r.version), r.settings.Label)
	if err != nil {
		return err
	}
	if err := oip.Pin(c, r.server.core, spec); err != nil {
		return err
	}
	sig, err := oip.FindSignature(c, r.settings.Signature)
	if err != nil {
		return err
	}
	inputs, err := r.decodeInputs(c, sig)
	if err != nil {
		return err
	}
	if err := r.selectOutputs(c, sig); err != nil {
		return err
	}
	deadline := r.settings.Deadline(r.server.server.Deadline(ctx), c.Start)
	c.Entry = batcher.Entry{Signature: sig, Inputs: inputs, Arena: r.Arena, Deadline: deadline, Priority: r.settings.Priority}
	return nil
}

// largeRequest is the size of a message from which on it is asked whether the request would be refused whatever it holds.
const largeRequest = 64 << 10

// decodeInputs puts the request's tensors into the signature's order, with the model's own defaults for those not sent.
func (r *inferRequest) decodeInputs(c *serving.Call, sig *tensor.Signature) ([]tensor.Tensor, error) {
	if r.Exchange.Received > largeRequest {
		if err := c.Handle.Refuses(sig); err != nil {
			return nil, err
		}
	}
	if len(r.raw) > len(r.inputs) {
		return nil, invalid("raw_input_contents has %d entries, expected one for each of the %d inputs for model '%s'", len(r.raw), len(r.inputs), r.name)
	}
	d := oip.Decoder{Arena: r.Arena, Left: r.server.server.MemoryFor(r.Exchange.Received), Model: r.name}
	inputs := r.Arena.Tensors(len(sig.Inputs))
	for k := range r.inputs {
		in := &r.inputs[k]
		i, err := oip.Input(c, sig, in.name, in.datatype)
		if err != nil {
			return nil, err
		}
		if inputs[i].DType != tensor.Invalid {
			return nil, oip.WrongInputs(c, sig, r.inputNames())
		}
		if inputs[i], err = r.decodeInput(&d, &sig.Inputs[i], k); err != nil {
			return nil, err
		}
	}
	if len(r.inputs) == len(inputs) {
		return inputs, nil
	}
	return inputs, r.addDefaults(c, sig, inputs)
}

// decodeInput makes the tensor of the k-th input.
func (r *inferRequest) decodeInput(d *oip.Decoder, spec *tensor.Spec, k int) (t tensor.Tensor, err error) {
	switch in := &r.inputs[k]; {
	case in.shared != "":
		return t, oip.SharedMemory(in.shared)
	case in.typed && len(r.raw) > 0:
		return t, invalid("contents field must not be specified when using raw_input_contents for '%s' for model '%s'", spec.Name, r.name)
	case in.typed:
		return r.typed(d, spec, in)
	case k < len(r.raw):
		return d.Raw(spec, r.shapeOf(in), r.raw[k])
	}
	return t, invalid("unable to find data for input tensor '%s' for model '%s' in request.", spec.Name, r.name)
}

// addDefaults takes the model's own tensors for inputs that were not sent.
func (r *inferRequest) addDefaults(c *serving.Call, sig *tensor.Signature, inputs []tensor.Tensor) error {
	for i := range inputs {
		if inputs[i].DType != tensor.Invalid {
			continue
		}
		def := sig.Inputs[i].Default
		if def == nil {
			return oip.WrongInputs(c, sig, r.inputNames())
		}
		inputs[i] = *def
	}
	return nil
}

// Sample implements serving.Codec.
func (r *inferRequest) Sample(c *serving.Call, outputs []tensor.Tensor) {
	log := r.server.server.Options().Logs.For(c.Handle.Model)
	if !log.Sampled() {
		return
	}
	asked := &apis_go_proto.ModelSpec{Name: c.Model, SignatureName: c.Entry.Signature.Name}
	selected := make([]int, len(r.answer))
	for k := range r.answer {
		selected[k] = r.answer[k].index
	}
	log.Write(predictionlog.Predict(c.Handle, asked, c.Entry.Signature, c.Entry.Inputs, outputs, selected))
}

// versionText is a version as the protocol writes it.
func versionText(version int64) string { return strconv.FormatInt(version, 10) }
