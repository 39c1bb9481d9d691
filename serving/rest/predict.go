package rest

import (
	"context"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/inference"
	"shoal/serving/predictionlog"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// predict decodes the body into the arena, runs it and encodes the outputs in place, into the response's own buffer.
func (c *call) predict() error {
	c.arena = tensor.NewArena()
	c.arena.Within(c.server.opt.Budget)
	if err := serving.Predict(c.Context, &c.Call, c); err != nil {
		return err
	}
	c.describe()
	return nil
}

// DecodeRequest implements serving.Codec. The decoder asks for the signature once it knows that the JSON is well formed.
func (c *call) DecodeRequest(context.Context, *serving.Call) error {
	return c.withBody(func(body []byte) error {
		req, err := tensorjson.DecodePredict(body, c.resolve, c.arena)
		if err != nil {
			return err
		}
		c.format = req.Format
		c.Entry = batcher.Entry{Signature: req.Signature, Inputs: req.Inputs, Arena: c.arena, Deadline: c.deadline}
		return nil
	})
}

// EncodeAnswer implements serving.Codec.
func (c *call) EncodeAnswer(_ *serving.Call, outputs []tensor.Tensor) error {
	return c.respond(textSize(outputs), func(dst []byte) ([]byte, error) {
		return tensorjson.AppendPredict(dst, c.format, c.Entry.Signature, outputs)
	})
}

// Sample implements serving.Codec.
func (c *call) Sample(_ *serving.Call, outputs []tensor.Tensor) {
	c.record(c.Signature, func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog {
		return predictionlog.Predict(c.Handle, asked, c.Entry.Signature, c.Entry.Inputs, outputs, nil)
	})
}

// examplesShare bounds, for what clients send, how much memory a byte of JSON becomes as tf.Examples: each feature is some objects.
const examplesShare = 8

// infer answers classify and regress. The whole body is checked before the model is looked up.
func (c *call) infer() error {
	s := c.server
	method := "classify"
	if c.target.action == doRegress {
		method = "regress"
	}

	var req *tensorjson.ExamplesRequest
	err := c.withBody(func(body []byte) (err error) {
		if err = c.conn.lease.Reserve(examplesShare * int64(len(body))); err != nil {
			return err
		}
		req, err = tensorjson.DecodeExamples(body, method)
		return err
	})
	if err != nil {
		return err
	}
	if err := c.pin(); err != nil {
		return err
	}
	c.Find(req.SignatureName)
	c.Examples = len(req.Examples)
	c.Decode = c.Lap()

	var encode func(dst []byte) ([]byte, error)
	var entry func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog
	checks := inference.CheckMethodName(s.opt.CheckMethodName)
	if c.target.action == doRegress {
		result, err := inference.Regress(c.Context, c.Handle, req.SignatureName, req.Examples, c.deadline, checks)
		if err != nil {
			return err
		}
		encode = func(dst []byte) ([]byte, error) { return tensorjson.AppendRegress(dst, regressions(result)) }
		entry = func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog {
			return predictionlog.Regress(c.Handle, asked, req.Examples, result)
		}
	} else {
		result, err := inference.Classify(c.Context, c.Handle, req.SignatureName, req.Examples, c.deadline, checks)
		if err != nil {
			return err
		}
		encode = func(dst []byte) ([]byte, error) { return tensorjson.AppendClassify(dst, classes(result)) }
		entry = func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog {
			return predictionlog.Classify(c.Handle, asked, req.Examples, result)
		}
	}
	c.Run = c.Lap()
	if err := c.respond(0, encode); err != nil {
		return err
	}
	c.Encode = c.Lap()
	c.describe()
	c.record(req.SignatureName, entry)
	return nil
}
