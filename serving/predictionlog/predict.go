package predictionlog

import (
	"context"
	"maps"
	"slices"
	"strings"

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

// runPredict runs a request and lets its answer go.
func runPredict(ctx context.Context, s serving.Servable, request *apis_go_proto.PredictRequest) error {
	key := request.GetModelSpec().GetSignatureName()
	if key == "" {
		key = inference.DefaultSignature
	}
	sig, ok := s.Signature(key)
	if !ok {
		return status.Errorf(codes.FailedPrecondition, "Serving signature key %q not found.", key)
	}
	for _, alias := range request.GetOutputFilter() {
		if sig.Output(alias) < 0 {
			return status.Errorf(codes.InvalidArgument, "output tensor alias not found in signature: %s", alias)
		}
	}
	arena := tensor.NewArena()
	defer arena.Free()
	inputs, err := decode(s, sig, request.GetInputs(), arena)
	if err != nil {
		return err
	}
	answer, err := s.Run(ctx, batcher.Entry{Signature: sig, Inputs: inputs, Arena: arena})
	if err != nil {
		return err
	}
	answer.Free()
	return nil
}

// decode puts the inputs into the signature's order, with the model's own defaults for those that the request leaves out.
func decode(s serving.Servable, sig *tensor.Signature, sent map[string]*tensor_go_proto.TensorProto, arena *tensor.Arena) ([]tensor.Tensor, error) {
	for _, alias := range slices.Sorted(maps.Keys(sent)) {
		if sig.Input(alias) < 0 {
			return nil, status.Errorf(codes.InvalidArgument, "signature %s has no input %q; its inputs are {%s}", sig.Name, alias, inputNames(sig))
		}
	}
	defaults := s.MetaGraph().GetSignatureDef()[sig.Name].GetDefaults()
	decoder := tensorproto.Decoder{Arena: arena, Left: maxInputBytes}
	inputs := make([]tensor.Tensor, len(sig.Inputs))
	for i, spec := range sig.Inputs {
		m, ok := sent[spec.Name]
		if !ok {
			m, ok = defaults[spec.Name]
		}
		if !ok {
			return nil, status.Errorf(codes.InvalidArgument, "input %q of signature %s is missing, and the model has no default for it", spec.Name, sig.Name)
		}
		t, err := decoder.Message(m)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "input %q: %v", spec.Name, err)
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
