package rest

import (
	"context"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/batcher"
	"shoal/serving"
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
