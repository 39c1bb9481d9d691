// Package inference answers classify, regress and multi-inference requests: it checks that a signature has the form
// that such a request needs, runs the serialised examples through it and turns its outputs into results. REST and gRPC
// share it. The rules and the texts of the errors are TensorFlow Serving's; every error carries a gRPC status.
package inference

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	"shoal/batcher"
	"shoal/serving"
	"shoal/tensor"
)

// The method names that a signature can carry.
const (
	ClassifyMethod = "tensorflow/serving/classify"
	RegressMethod  = "tensorflow/serving/regress"
	PredictMethod  = "tensorflow/serving/predict"
)

// DefaultSignature is the key used where a request names none.
const DefaultSignature = "serving_default"

type options struct{ checkMethod bool }

// Option changes how strict the checks are.
type Option func(*options)

// CheckMethodName demands that a signature carries the method's name (--enable_signature_method_name_check).
func CheckMethodName(on bool) Option { return func(o *options) { o.checkMethod = on } }

func collect(opts []Option) (o options) {
	for _, f := range opts {
		f(&o)
	}
	return o
}

// Classify runs examples, each a serialised tf.Example, through a classification signature ("" is the default one).
// The examples may be read until it returns, and by a batch that is under way when ctx ends; do not reuse their memory.
func Classify(ctx context.Context, h *serving.Handle, signatureName string, examples [][]byte, deadline time.Time, opts ...Option) (*apis_go_proto.ClassificationResult, error) {
	sig, err := signature(h, signatureName)
	if err != nil {
		return nil, err
	}
	if err := checkClassify(h, sig, collect(opts)); err != nil {
		return nil, err
	}
	answer, err := run(ctx, h, sig, examples, deadline)
	if err != nil {
		return nil, err
	}
	defer answer.Free()
	return classifications(sig, answer.Outputs, len(examples))
}

// Regress runs examples through a regression signature; as Classify.
func Regress(ctx context.Context, h *serving.Handle, signatureName string, examples [][]byte, deadline time.Time, opts ...Option) (*apis_go_proto.RegressionResult, error) {
	sig, err := signature(h, signatureName)
	if err != nil {
		return nil, err
	}
	if err := checkRegress(h, sig, collect(opts)); err != nil {
		return nil, err
	}
	answer, err := run(ctx, h, sig, examples, deadline)
	if err != nil {
		return nil, err
	}
	defer answer.Free()
	return regressions(sig, answer.Outputs, len(examples))
}

func signature(h *serving.Handle, name string) (*tensor.Signature, error) {
	name = orDefault(name)
	sig, ok := h.Signature(name)
	if !ok {
		if why := h.Missing(name); why != "" {
			return nil, invalid("%s", why)
		}
		return nil, invalid("No signature was found with the name: %s", name)
	}
	return sig, nil
}

func orDefault(name string) string {
	if name == "" {
		return DefaultSignature
	}
	return name
}

// run feeds the examples as one vector of strings to the signature's only input.
func run(ctx context.Context, h *serving.Handle, sig *tensor.Signature, examples [][]byte, deadline time.Time) (*batcher.Answer, error) {
	if len(examples) == 0 {
		return nil, invalid("Input is empty.")
	}
	if d := sig.Inputs[0].DType; d != tensor.String {
		return nil, invalid("Expects arg[0] to be %v but string is provided", d)
	}
	arena := tensor.NewArena()
	defer arena.Free()
	in := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{int64(len(examples))}, Strings: examples}
	return h.Run(ctx, batcher.Entry{Signature: sig, Inputs: []tensor.Tensor{in}, Arena: arena, Deadline: deadline})
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// describe prints a signature as the model has it, for a message that says what is missing from it.
func describe(h *serving.Handle, sig *tensor.Signature) string {
	def, ok := h.MetaGraph().GetSignatureDef()[sig.Name]
	if !ok {
		return sig.Name
	}
	return prototext.MarshalOptions{Multiline: true}.Format(def)
}

// typeName is the proto's own name of an element type: DT_FLOAT.
func typeName(d tensor.DType) string { return types_go_proto.DataType(d).String() }

func float32At(data []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
}
