package predictionlog

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/inference"
	"shoal/tensor"
	tensorproto "shoal/tensor/proto"
)

// maxInputBytes bounds the memory of one request's inputs: a few bytes of a record can ask for a tensor of any size.
const maxInputBytes = 2 << 30

// warmUpCodec is a serving.Codec of a recorded request, whose answer nobody reads.
type warmUpCodec struct {
	request *apis_go_proto.PredictRequest
	arena   *tensor.Arena
}

// runPredict runs a request and lets its answer go.
func runPredict(ctx context.Context, h *serving.Handle, request *apis_go_proto.PredictRequest) error {
	codec := &warmUpCodec{request, tensor.NewArena()}
	defer codec.arena.Free()
	return serving.Predict(ctx, &serving.Call{Start: time.Now(), Handle: h}, codec)
}

// DecodeRequest implements serving.Codec.
func (w *warmUpCodec) DecodeRequest(_ context.Context, c *serving.Call) error {
	key := cmp.Or(w.request.GetModelSpec().GetSignatureName(), inference.DefaultSignature)
	sig, ok := c.Find(key)
	if !ok {
		return status.Errorf(codes.FailedPrecondition, "Serving signature key %q not found.", key)
	}
	for _, alias := range w.request.GetOutputFilter() {
		if sig.Output(alias) < 0 {
			return status.Errorf(codes.InvalidArgument, "output tensor alias not found in signature: %s", alias)
		}
	}
	inputs, err := decode(sig, w.request.GetInputs(), w.arena)
	if err != nil {
		return err
	}
	c.Entry = batcher.Entry{Signature: sig, Inputs: inputs, Arena: w.arena}
	return nil
}

// EncodeAnswer implements serving.Codec.
func (*warmUpCodec) EncodeAnswer(*serving.Call, []tensor.Tensor) error { return nil }

// Sample implements serving.Codec.
func (*warmUpCodec) Sample(*serving.Call, []tensor.Tensor) {}

// decode puts the inputs into the signature's order, with the model's own defaults for those that the request leaves out.
func decode(sig *tensor.Signature, sent map[string]*tensor_go_proto.TensorProto, arena *tensor.Arena) ([]tensor.Tensor, error) {
	for _, alias := range slices.Sorted(maps.Keys(sent)) {
		if sig.Input(alias) < 0 {
			return nil, status.Errorf(codes.InvalidArgument, "signature %s has no input %q; its inputs are {%s}", sig.Name, alias, inputNames(sig))
		}
	}
	decoder := tensorproto.Decoder{Arena: arena, Left: maxInputBytes}
	inputs := make([]tensor.Tensor, len(sig.Inputs))
	for i, spec := range sig.Inputs {
		var t tensor.Tensor
		switch m, ok := sent[spec.Name]; {
		case ok:
			var err error
			if t, err = decoder.Message(m); err != nil {
				return nil, status.Errorf(codes.InvalidArgument, "input %q: %v", spec.Name, err)
			}
		case spec.Default != nil:
			t = *spec.Default
		default:
			return nil, status.Errorf(codes.InvalidArgument, "input %q of signature %s is missing, and the model has no default for it", spec.Name, sig.Name)
		}
		if t.DType != spec.DType {
			return nil, status.Errorf(codes.InvalidArgument, "input %q is to be %v but %v is provided", spec.Name, spec.DType, t.DType)
		}
		inputs[i] = t
	}
	return inputs, nil
}

func inputNames(sig *tensor.Signature) string {
	names := make([]string, len(sig.Inputs))
	for i, spec := range sig.Inputs {
		names[i] = spec.Name
	}
	return strings.Join(names, ",")
}
