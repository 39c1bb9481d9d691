package rpc

import (
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"shoal/tensor"
	tensorproto "shoal/tensor/proto"
)

// The fields of PredictResponse, and of the ModelSpec and Int64Value in it.
const (
	predictOutputs           protowire.Number = 1
	predictResponseModelSpec protowire.Number = 2

	specName      protowire.Number = 1
	specVersion   protowire.Number = 2
	specSignature protowire.Number = 3
	int64Value    protowire.Number = 1
)

// wireOutput is an output of the answer, with the sizes that must be known before it is written.
type wireOutput struct {
	index   int // in the signature
	entry   int // bytes of the map's entry
	message tensorproto.Message
}

// selectOutputs returns the outputs of the answer: those that the filter names, or all.
func (r *predictRequest) selectOutputs(sig *tensor.Signature) error {
	if len(r.filter) == 0 {
		for i := range sig.Outputs {
			r.outputs = append(r.outputs, wireOutput{index: i})
		}
		return nil
	}
	for _, alias := range r.filter {
		i := sig.Output(alias)
		if i < 0 {
			return status.Errorf(codes.InvalidArgument, "output tensor alias not found in signature: %s Outputs expected to be in the set {%s}.",
				alias, strings.Join(signatureAliases(sig.Outputs), ","))
		}
		if slices.ContainsFunc(r.outputs, func(o wireOutput) bool { return o.index == i }) {
			return status.Errorf(codes.InvalidArgument, "duplicate output tensor alias: %s", alias)
		}
		r.outputs = append(r.outputs, wireOutput{index: i})
	}
	return nil
}

// selected are the outputs' places in the signature.
func (r *predictRequest) selected() []int {
	list := make([]int, len(r.outputs))
	for k, o := range r.outputs {
		list[k] = o.index
	}
	return list
}

// servedSpec returns the model_spec of an answer; see inference.ModelSpec.
type servedSpec struct {
	name      string
	version   int64
	signature string
}

func (s *servedSpec) size() int {
	return protowire.SizeTag(specName) + protowire.SizeBytes(len(s.name)) +
		protowire.SizeTag(specVersion) + protowire.SizeBytes(s.versionSize()) +
		protowire.SizeTag(specSignature) + protowire.SizeBytes(len(s.signature))
}

func (s *servedSpec) versionSize() int {
	return protowire.SizeTag(int64Value) + protowire.SizeVarint(uint64(s.version))
}

func (s *servedSpec) append(dst []byte) []byte {
	dst = protowire.AppendTag(dst, specName, protowire.BytesType)
	dst = protowire.AppendString(dst, s.name)
	dst = protowire.AppendTag(dst, specVersion, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(s.versionSize()))
	dst = protowire.AppendTag(dst, int64Value, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(s.version))
	dst = protowire.AppendTag(dst, specSignature, protowire.BytesType)
	return protowire.AppendString(dst, s.signature)
}

// encodeOutputs writes the PredictResponse directly from the outputs' memory, which is not needed afterwards.
func encodeOutputs(sig *tensor.Signature, tensors []tensor.Tensor, outputs []wireOutput, spec servedSpec, content bool, budget *tensor.Budget) (*Response, error) {
	size := protowire.SizeTag(predictResponseModelSpec) + protowire.SizeBytes(spec.size())
	for k := range outputs {
		o := &outputs[k]
		o.message = tensorproto.Measure(&tensors[o.index], content)
		o.entry = protowire.SizeTag(entryKey) + protowire.SizeBytes(len(sig.Outputs[o.index].Name)) +
			protowire.SizeTag(entryValue) + protowire.SizeBytes(o.message.Size)
		size += protowire.SizeTag(predictOutputs) + protowire.SizeBytes(o.entry)
	}
	return newResponse(budget, size, func(dst []byte) []byte {
		for k := range outputs {
			o := &outputs[k]
			dst = protowire.AppendTag(dst, predictOutputs, protowire.BytesType)
			dst = protowire.AppendVarint(dst, uint64(o.entry))
			dst = protowire.AppendTag(dst, entryKey, protowire.BytesType)
			dst = protowire.AppendString(dst, sig.Outputs[o.index].Name)
			dst = protowire.AppendTag(dst, entryValue, protowire.BytesType)
			dst = protowire.AppendVarint(dst, uint64(o.message.Size))
			dst = o.message.Append(dst)
		}
		dst = protowire.AppendTag(dst, predictResponseModelSpec, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(spec.size()))
		return spec.append(dst)
	})
}
