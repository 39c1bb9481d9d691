// Package inference answers classify, regress and multi-inference requests: it checks that a signature has the form
// that such a request needs, runs the serialised examples through it and turns its outputs into results. All protocols
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

// Method is what a request asks for.
type Method int

// The methods.
const (
	Classify Method = iota
	Regress
	MultiInference
)

// Request is a decoded request.
type Request struct {
	Method    Method
	Signature string                         // of Classify and Regress; "": the default one
	Tasks     []*apis_go_proto.InferenceTask // of MultiInference
	// Examples are serialised tf.Examples. A batch that is under way when the request's context ends still reads them: do not use
	// their memory again.
	Examples [][]byte
	Deadline time.Time // zero: none
	Priority uint64    // its level, 1 being the highest; 0: it names none
	// CheckMethodName demands that a signature carries the method's name (--enable_signature_method_name_check).
	CheckMethodName bool
}

// Result is what a request is answered with: the field of its method, the others are nil.
type Result struct {
	Classification *apis_go_proto.ClassificationResult
	Regression     *apis_go_proto.RegressionResult
	Multi          *apis_go_proto.MultiInferenceResponse
}

// Codec is a protocol's part of a request, as serving.Codec is of a prediction.
type Codec interface {
	// DecodeExamples pins the version (serving.Call.Pin) and decodes the request, in the protocol's order of errors.
	DecodeExamples(ctx context.Context, c *serving.Call) (Request, error)
	// EncodeResult writes the answer.
	EncodeResult(c *serving.Call, req Request, result Result) error
	// SampleResult keeps the request and its answer, if they are one of the sample that the operator wants to be logged.
	SampleResult(c *serving.Call, req Request, result Result)
}

// Infer answers one request of any protocol, and notes in the call what happened. The caller shows the call to its Observer, and
// unpins the version.
func Infer(ctx context.Context, c *serving.Call, codec Codec) error {
	req, err := codec.DecodeExamples(ctx, c)
	if err != nil {
		return err
	}
	if req.Method != MultiInference {
		c.Find(req.Signature) // a signature that is not there is no label
	}
	c.Examples = len(req.Examples)
	if req.Priority, err = c.Priority(); err != nil {
		return err
	}
	c.Decode = c.Lap()
	result, err := req.Run(ctx, c.Handle)
	c.Run = c.Lap()
	if err != nil {
		return err
	}
	if err := codec.EncodeResult(c, req, result); err != nil {
		return err
	}
	c.Encode = c.Lap()
	codec.SampleResult(c, req, result)
	return nil
}

// Run checks the signature and runs the examples through it.
func (r *Request) Run(ctx context.Context, h *serving.Handle) (result Result, err error) {
	if r.Method == MultiInference {
		result.Multi, err = r.runTasks(ctx, h)
		return result, err
	}
	name := orDefault(r.Signature)
	sig, ok := h.Signature(name)
	if !ok {
		if why := h.Missing(name); why != "" {
			return result, invalid("%s", why)
		}
		return result, invalid("No signature was found with the name: %s", name)
	}
	if err := r.check(h, sig, r.Method); err != nil {
		return result, err
	}
	return r.runOne(ctx, h, sig, r.Method)
}

// check verifies that the signature has the method's form.
func (r *Request) check(h *serving.Handle, sig *tensor.Signature, m Method) error {
	if m == Regress {
		return checkRegress(h, sig, r.CheckMethodName)
	}
	return checkClassify(h, sig, r.CheckMethodName)
}

// runOne classifies or regresses with a signature that has the method's form. It feeds the examples as one vector of strings to the
// signature's only input.
func (r *Request) runOne(ctx context.Context, h *serving.Handle, sig *tensor.Signature, m Method) (result Result, err error) {
	if len(r.Examples) == 0 {
		return result, errEmpty
	}
	if d := sig.Inputs[0].DType; d != tensor.String {
		return result, invalid("Expects arg[0] to be %v but string is provided", d)
	}
	arena := tensor.NewArena()
	defer arena.Free()
	in := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{int64(len(r.Examples))}, Strings: r.Examples}
	answer, err := h.Run(ctx, batcher.Entry{Signature: sig, Inputs: []tensor.Tensor{in}, Arena: arena, Deadline: r.Deadline, Priority: r.Priority})
	if err != nil {
		return result, err
	}
	defer answer.Free()
	if m == Regress {
		result.Regression, err = regressions(sig, answer.Outputs, len(r.Examples))
	} else {
		result.Classification, err = classifications(sig, answer.Outputs, len(r.Examples))
	}
	return result, err
}

var errEmpty = invalid("Input is empty.")

func orDefault(name string) string {
	if name == "" {
		return DefaultSignature
	}
	return name
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// describe prints a signature as the model has it, for a message that says what is missing from it.
func describe(h *serving.Handle, sig *tensor.Signature) string {
	metadata, _ := h.Describe().Metadata.(*apis_go_proto.SignatureDefMap)
	def, ok := metadata.GetSignatureDef()[sig.Name]
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
