// Package predictionlog keeps requests and their answers in files, and runs such files: request logs and warm-up are two
// ends of one format, TFRecords of PredictionLog messages. A log file of up to 1000 records, put into a version's directory
// as assets.extra/tf_serving_warmup_requests, warms the version with the requests that were logged.
//
// A loader calls [WarmUp] after it has made the servable and before it hands it on:
//
//	if _, err := predictionlog.WarmUp(ctx, dir, servable, predictionlog.WarmUpOptions{Iterations: n}); err != nil {
//		return nil, err // the load has failed; the error names the record
//	}
//
// The server makes one [Logs], gives it the logging_config of every model at the start and whenever the configuration
// has changed, and closes it after the last request:
//
//	logs := predictionlog.NewLogs(predictionlog.Options{Logger: logger})
//	err := logs.Set(configs) // by model; those without a logging_config may be left out
//
// A handler, REST or gRPC, asks for each answered request whether it is one of the sample, and only then makes the record,
// while the tensors' memory is still held (Write has copied what it needs when it returns). A nil *Logs or a model
// without a log are asked in the same way and say no. Requests that failed are not recorded.
//
//	if log := logs.For(h.Model); log.Sampled() {
//		log.Write(predictionlog.Predict(h, asked, sig, inputs, answer.Outputs, selected))
//	}
package predictionlog

import (
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis/internal_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shoal/serving"
	"shoal/serving/inference"
	"shoal/tensor"
)

// Predict records a prediction. asked is the request's model_spec; inputs and outputs are in sig's order, and selected are
// the outputs that were answered with (nil: all). The record shares the tensors' memory.
func Predict(h *serving.Handle, asked *apis_go_proto.ModelSpec, sig *tensor.Signature, inputs, outputs []tensor.Tensor, selected []int) *apis_go_proto.PredictionLog {
	served := inference.ModelSpec(h, asked)
	request := &apis_go_proto.PredictRequest{ModelSpec: asked, Inputs: make(map[string]*tensor_go_proto.TensorProto, len(inputs))}
	for i := range inputs {
		request.Inputs[sig.Inputs[i].Name] = message(&inputs[i])
	}
	response := &apis_go_proto.PredictResponse{ModelSpec: served, Outputs: make(map[string]*tensor_go_proto.TensorProto, len(outputs))}
	if selected == nil {
		for i := range outputs {
			response.Outputs[sig.Outputs[i].Name] = message(&outputs[i])
		}
	}
	for _, i := range selected {
		response.Outputs[sig.Outputs[i].Name] = message(&outputs[i])
		if len(selected) < len(outputs) {
			request.OutputFilter = append(request.OutputFilter, sig.Outputs[i].Name)
		}
	}
	return &apis_go_proto.PredictionLog{
		LogMetadata: &apis_go_proto.LogMetadata{ModelSpec: served},
		LogType:     &apis_go_proto.PredictionLog_PredictLog{PredictLog: &apis_go_proto.PredictLog{Request: request, Response: response}},
	}
}

// Inference records a classification, a regression or a multi-inference. asked is the request's model_spec, or that of its
// first task.
func Inference(h *serving.Handle, asked *apis_go_proto.ModelSpec, req inference.Request, result inference.Result) *apis_go_proto.PredictionLog {
	served := inference.ModelSpec(h, asked)
	record := &apis_go_proto.PredictionLog{LogMetadata: &apis_go_proto.LogMetadata{ModelSpec: served}}
	switch req.Method {
	case inference.Classify:
		log := &apis_go_proto.ClassifyLog{
			Request:  &apis_go_proto.ClassificationRequest{ModelSpec: asked},
			Response: &apis_go_proto.ClassificationResponse{ModelSpec: served, Result: result.Classification},
		}
		setInput(log.Request, req.Examples)
		record.LogType = &apis_go_proto.PredictionLog_ClassifyLog{ClassifyLog: log}
	case inference.Regress:
		log := &apis_go_proto.RegressLog{
			Request:  &apis_go_proto.RegressionRequest{ModelSpec: asked},
			Response: &apis_go_proto.RegressionResponse{ModelSpec: served, Result: result.Regression},
		}
		setInput(log.Request, req.Examples)
		record.LogType = &apis_go_proto.PredictionLog_RegressLog{RegressLog: log}
	case inference.MultiInference:
		log := &apis_go_proto.MultiInferenceLog{Request: &apis_go_proto.MultiInferenceRequest{Tasks: req.Tasks}, Response: result.Multi}
		setInput(log.Request, req.Examples)
		record.LogType = &apis_go_proto.PredictionLog_MultiInferenceLog{MultiInferenceLog: log}
	}
	return record
}

// message is a tensor as tensor_content, or string_val, that shares its memory.
func message(t *tensor.Tensor) *tensor_go_proto.TensorProto {
	shape := &tensor_shape_go_proto.TensorShapeProto{}
	for _, d := range t.Shape {
		shape.Dim = append(shape.Dim, &tensor_shape_go_proto.TensorShapeProto_Dim{Size: d})
	}
	m := &tensor_go_proto.TensorProto{Dtype: types_go_proto.DataType(t.DType), TensorShape: shape}
	if t.DType == tensor.String {
		m.StringVal = t.Strings
	} else {
		m.TensorContent = t.Data
	}
	return m
}

// inputField is the number that input has in the requests of classify, regress and multi-inference.
const inputField protowire.Number = 2

// setInput gives a request its examples without parsing them: a field that is already serialised is written out as it is
// where the message holds it as an unknown one.
func setInput(request proto.Message, examples [][]byte) {
	list := &internal_go_proto.SerializedExampleList{Examples: examples}
	input, err := proto.Marshal(&internal_go_proto.SerializedInput{Kind: &internal_go_proto.SerializedInput_ExampleList{ExampleList: list}})
	if err != nil {
		return // it has only fields of bytes, which can always be written
	}
	field := protowire.AppendTag(nil, inputField, protowire.BytesType)
	request.ProtoReflect().SetUnknown(protowire.AppendBytes(field, input))
}
