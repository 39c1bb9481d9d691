package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/inference"
	"shoal/serving/predictionlog"
	"shoal/tensor"
	tensorproto "shoal/tensor/proto"
)

// expansion bounds how much values grow in memory: a string of two bytes on the wire takes 24 bytes and its own.
const expansion = 16

// predict answers PredictionService.Predict.
func (s *Server) predict(ctx context.Context, req *predictRequest) (any, error) {
	req.server = s
	call := &req.Exchange.Call
	defer call.Unpin()
	if err := serving.Predict(ctx, call, req); err != nil {
		return nil, err
	}
	return req.Exchange.Response, nil
}

// DecodeRequest implements serving.Codec. The order of the checks is TensorFlow Serving's.
func (r *predictRequest) DecodeRequest(ctx context.Context, c *serving.Call) error {
	s := r.server
	if r.spec == nil {
		return errMissingModelSpec
	}
	spec, err := asked(r.spec)
	if err != nil {
		return err
	}
	if err := c.Pin(s.opts.Core, spec); err != nil {
		return err
	}
	key := r.key()
	sig, ok := c.Find(key)
	if !ok {
		if why := c.Handle.Missing(key); why != "" {
			return status.Error(codes.FailedPrecondition, why)
		}
		return status.Errorf(codes.FailedPrecondition, "Serving signature key %q not found.", key)
	}
	if err := s.checkPredictMethod(sig); err != nil {
		return err
	}
	inputs, err := s.decodeInputs(c.Handle, sig, r)
	if err != nil {
		return err
	}
	if err := r.selectOutputs(sig); err != nil {
		return err
	}
	c.Entry = batcher.Entry{Signature: sig, Inputs: inputs, Arena: r.Arena, Deadline: s.deadline(ctx)}
	return nil
}

// EncodeAnswer implements serving.Codec.
func (r *predictRequest) EncodeAnswer(c *serving.Call, outputs []tensor.Tensor) error {
	o := &r.server.opts
	spec := servedSpec{name: r.spec.GetName(), version: c.Version, signature: r.key()}
	response, err := encodeOutputs(c.Entry.Signature, outputs, r.outputs, spec, o.SerializeAsTensorContent, o.Budget)
	if err != nil {
		return err
	}
	r.Exchange.Response = response
	return nil
}

// Sample implements serving.Codec.
func (r *predictRequest) Sample(c *serving.Call, outputs []tensor.Tensor) {
	if log := r.server.opts.Logs.For(c.Handle.Model); log.Sampled() {
		log.Write(predictionlog.Predict(c.Handle, r.spec, c.Entry.Signature, c.Entry.Inputs, outputs, r.selected()))
	}
}

// key returns the key of the signature that the request asks for.
func (r *predictRequest) key() string {
	return cmp.Or(r.spec.GetSignatureName(), inference.DefaultSignature)
}

func (s *Server) checkPredictMethod(sig *tensor.Signature) error {
	if !s.opts.CheckMethodName {
		return nil
	}
	methods := []string{inference.PredictMethod, inference.ClassifyMethod, inference.RegressMethod}
	if slices.Contains(methods, sig.Method) {
		return nil
	}
	return status.Errorf(codes.Internal, "Expected prediction signature method_name to be one of {%s}. Was: %s", strings.Join(methods, ", "), sig.Method)
}

// deadline returns the client's deadline, or the server's default for calls without one.
func (s *Server) deadline(ctx context.Context) time.Time {
	if d, ok := ctx.Deadline(); ok {
		return d
	}
	if s.opts.DefaultTimeout > 0 {
		return time.Now().Add(s.opts.DefaultTimeout)
	}
	return time.Time{}
}

// decodeInputs puts the request's tensors into the signature's order, with the model's own defaults for those not sent.
func (s *Server) decodeInputs(h *serving.Handle, sig *tensor.Signature, req *predictRequest) ([]tensor.Tensor, error) {
	if sent, want := len(req.inputs), len(sig.Inputs); sent > want || sent < want && !sig.HasDefaults() {
		return nil, inputCountError(sig, req)
	}
	dec := tensorproto.Decoder{Arena: req.Arena, Ask: h, Left: s.MemoryFor(req.Exchange.Received)}
	inputs, used := req.Arena.Tensors(len(sig.Inputs)), 0
	for i, spec := range sig.Inputs {
		wire, sent := req.input(spec.Name)
		switch {
		case sent:
			used++
			var err error
			if inputs[i], err = dec.Decode(wire); err != nil {
				return nil, inputError(spec.Name, err)
			}
		case spec.Default != nil:
			inputs[i] = *spec.Default
		default:
			return nil, noInputError(sig, spec, req)
		}
	}
	if used != len(req.inputs) {
		return nil, strangeInputError(sig, req)
	}
	for i, spec := range sig.Inputs {
		if got := inputs[i].DType; got != spec.DType {
			return nil, typeError(sig, i, got)
		}
	}
	return inputs, nil
}

func inputError(alias string, err error) error {
	if tooLarge, ok := errors.AsType[*tensorproto.TooLargeError](err); ok {
		return status.Errorf(codes.InvalidArgument, "tensor parsing error: %s: %v (--max_request_bytes)", alias, tooLarge)
	}
	if outside, ok := errors.AsType[*tensorproto.RangeError](err); ok {
		return status.Errorf(codes.InvalidArgument, "tensor parsing error: %s: %v", alias, outside)
	}
	if _, ok := status.FromError(err); ok { // the queue rejects it
		return err
	}
	return status.Errorf(codes.InvalidArgument, "tensor parsing error: %s", alias)
}

// typeError has the text of TensorFlow's executor. With several inputs it also names the input, because the number says little.
func typeError(sig *tensor.Signature, i int, got tensor.DType) error {
	text := fmt.Sprintf("Expects arg[%d] to be %v but %v is provided", i, sig.Inputs[i].DType, got)
	if len(sig.Inputs) > 1 {
		text += fmt.Sprintf(" (input %q)", sig.Inputs[i].Name)
	}
	return status.Error(codes.InvalidArgument, text)
}

func inputCountError(sig *tensor.Signature, req *predictRequest) error {
	sent, want := req.aliases(), signatureAliases(sig.Inputs)
	return status.Errorf(codes.InvalidArgument,
		"input size does not match signature: %d!=%d len({%s}) != len({%s}). Sent extra: {%s}. Missing but required: {%s}.",
		len(sent), len(want), strings.Join(sent, ","), strings.Join(want, ","),
		strings.Join(without(sent, want), ","), strings.Join(without(want, sent), ","))
}

func noInputError(sig *tensor.Signature, spec tensor.Spec, req *predictRequest) error {
	var defaults []string
	for _, s := range sig.Inputs {
		if s.Default != nil {
			defaults = append(defaults, s.Name)
		}
	}
	return status.Errorf(codes.InvalidArgument,
		"Signature input alias: %s(feed name: %s) not found in request and no default value provided. "+
			"Inputs expected to be in the request {%s}, or default input alias set: %s",
		spec.Name, spec.TensorName, strings.Join(req.aliases(), ","), strings.Join(defaults, ","))
}

func strangeInputError(sig *tensor.Signature, req *predictRequest) error {
	sent := req.aliases()
	used := without(sent, without(sent, signatureAliases(sig.Inputs)))
	return status.Errorf(codes.InvalidArgument, "Inputs contains invalid name. Used request inputs: %s, request input: %s",
		strings.Join(used, ","), strings.Join(sent, ","))
}

func (r *predictRequest) aliases() []string {
	names := make([]string, len(r.inputs))
	for i, in := range r.inputs {
		names[i] = string(in.alias)
	}
	return names
}

func signatureAliases(specs []tensor.Spec) []string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	return names
}

func without(names, others []string) (left []string) {
	for _, n := range names {
		if !slices.Contains(others, n) {
			left = append(left, n)
		}
	}
	return left
}
