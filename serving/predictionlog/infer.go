package predictionlog

import (
	"context"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/serving"
	"shoal/serving/inference"
)

// examplesCodec is an inference.Codec of a recorded request, whose answer nobody reads.
type examplesCodec struct {
	input   *apis_go_proto.Input
	request inference.Request // without its examples
}

// infer runs a classification, a regression or a multi-inference and lets its answer go.
func (w *warmUp) infer(ctx context.Context, input *apis_go_proto.Input, request inference.Request) error {
	request.CheckMethodName = w.checkMethodName
	return inference.Infer(ctx, &serving.Call{Start: time.Now(), Handle: w.handle}, &examplesCodec{input, request})
}

// DecodeExamples implements inference.Codec.
func (e *examplesCodec) DecodeExamples(context.Context, *serving.Call) (inference.Request, error) {
	req := e.request
	var err error
	req.Examples, err = inference.Examples(e.input)
	return req, err
}

// EncodeResult implements inference.Codec.
func (*examplesCodec) EncodeResult(*serving.Call, inference.Request, inference.Result) error {
	return nil
}

// SampleResult implements inference.Codec.
func (*examplesCodec) SampleResult(*serving.Call, inference.Request, inference.Result) {}
