package v1

import (
	"context"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/serving"
	"shoal/serving/inference"
	"shoal/serving/predictionlog"
	tensorjson "shoal/tensor/json"
)

// examplesShare bounds, for what clients send, how much memory a byte of JSON becomes as tf.Examples: each feature is some objects.
const examplesShare = 8

// infer answers classify and regress.
func (c *call) infer() error {
	if err := inference.Infer(c.Context, &c.Call, c); err != nil {
		return err
	}
	c.Describe()
	return nil
}

// DecodeExamples implements inference.Codec. It checks the whole body before it looks up the model.
func (c *call) DecodeExamples(context.Context, *serving.Call) (req inference.Request, err error) {
	name := "classify"
	if c.target.action == doRegress {
		name, req.Method = "regress", inference.Regress
	}
	err = c.Body(c.pin, func(body []byte) error {
		if err := c.Reserve(examplesShare * int64(len(body))); err != nil {
			return err
		}
		decoded, err := tensorjson.DecodeExamples(body, name)
		if err != nil {
			return err
		}
		req.Signature, req.Examples = decoded.SignatureName, decoded.Examples
		return nil
	})
	if err != nil {
		return req, err
	}
	req.Deadline, req.CheckMethodName = c.Deadline, c.api.opt.CheckMethodName
	return req, c.pin()
}

// EncodeResult implements inference.Codec.
func (c *call) EncodeResult(_ *serving.Call, req inference.Request, result inference.Result) error {
	return c.Respond(0, func(dst []byte) ([]byte, error) {
		if req.Method == inference.Regress {
			return tensorjson.AppendRegress(dst, regressions(result.Regression))
		}
		return tensorjson.AppendClassify(dst, classes(result.Classification))
	})
}

// SampleResult implements inference.Codec.
func (c *call) SampleResult(_ *serving.Call, req inference.Request, result inference.Result) {
	c.record(req.Signature, func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog {
		return predictionlog.Inference(c.Handle, asked, req, result)
	})
}

func regressions(result *apis_go_proto.RegressionResult) []float32 {
	values := make([]float32, len(result.GetRegressions()))
	for i, r := range result.GetRegressions() {
		values[i] = r.GetValue()
	}
	return values
}

func classes(result *apis_go_proto.ClassificationResult) [][]tensorjson.Class {
	rows := make([][]tensorjson.Class, len(result.GetClassifications()))
	for i, r := range result.GetClassifications() {
		rows[i] = make([]tensorjson.Class, len(r.GetClasses()))
		for k, class := range r.GetClasses() {
			rows[i][k] = tensorjson.Class{Label: []byte(class.GetLabel()), Score: class.GetScore()}
		}
	}
	return rows
}
