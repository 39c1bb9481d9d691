package rest

import (
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/batcher"
	"shoal/serving/inference"
	"shoal/serving/predictionlog"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// predict decodes the body into the arena, runs it and encodes the outputs in place, into the response's own buffer.
func (c *call) predict() error {
	c.arena = tensor.NewArena()
	c.arena.Within(c.server.opt.Budget)

	var req *tensorjson.PredictRequest
	err := c.withBody(func(body []byte) error {
		return tensor.Guard(func() (err error) {
			req, err = tensorjson.DecodePredict(body, c.resolve, c.arena)
			return err
		})
	})
	if err != nil {
		return err
	}
	c.Decode = c.Lap()
	if len(req.Inputs) > 0 {
		c.Rows = int(req.Inputs[0].Rows())
	}

	answer, err := c.handle.Run(c.Context, batcher.Entry{Signature: req.Signature, Inputs: req.Inputs, Arena: c.arena, Deadline: c.deadline})
	if err != nil {
		return err
	}
	defer answer.Free()
	c.Queue, c.Run, c.BatchRows = answer.Queue, answer.Run, max(1, answer.BatchRows)
	c.Lap()

	err = c.respond(textSize(answer.Outputs), func(dst []byte) ([]byte, error) {
		return tensorjson.AppendPredict(dst, req.Format, req.Signature, answer.Outputs)
	})
	if err != nil {
		return err
	}
	c.describe()
	c.record(req.Signature.Name, func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog {
		return predictionlog.Predict(c.handle, asked, req.Signature, req.Inputs, answer.Outputs, nil)
	})
	return nil
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
	if sig, ok := c.handle.Signature(req.SignatureName); ok {
		c.Signature = sig.Name
	}
	c.Examples = len(req.Examples)
	c.Decode = c.Lap()

	var encode func(dst []byte) ([]byte, error)
	var entry func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog
	checks := inference.CheckMethodName(s.opt.CheckMethodName)
	if c.target.action == doRegress {
		result, err := inference.Regress(c.Context, c.handle, req.SignatureName, req.Examples, c.deadline, checks)
		if err != nil {
			return err
		}
		encode = func(dst []byte) ([]byte, error) { return tensorjson.AppendRegress(dst, regressions(result)) }
		entry = func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog {
			return predictionlog.Regress(c.handle, asked, req.Examples, result)
		}
	} else {
		result, err := inference.Classify(c.Context, c.handle, req.SignatureName, req.Examples, c.deadline, checks)
		if err != nil {
			return err
		}
		encode = func(dst []byte) ([]byte, error) { return tensorjson.AppendClassify(dst, classes(result)) }
		entry = func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog {
			return predictionlog.Classify(c.handle, asked, req.Examples, result)
		}
	}
	c.Run = c.Lap()
	if err := c.respond(0, encode); err != nil {
		return err
	}
	c.describe()
	c.record(req.SignatureName, entry)
	return nil
}
