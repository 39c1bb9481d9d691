package v1

import (
	"context"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/batcher"
	"shoal/serving"
	"shoal/serving/predictionlog"
	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// predict decodes the body into the arena, runs it, and encodes the outputs directly into the response's buffer.
func (c *call) predict() error {
	c.NewArena()
	if err := serving.Predict(c.Context, &c.Call, c); err != nil {
		return err
	}
	c.Describe()
	return nil
}

// DecodeRequest implements serving.Codec. The decoder asks for the signature when it knows that the JSON is well formed.
func (c *call) DecodeRequest(context.Context, *serving.Call) error {
	return c.Body(c.pin, func(body []byte) error {
		req, err := tensorjson.DecodePredict(body, c.resolve, c.Arena)
		if err != nil {
			return err
		}
		c.format = req.Format
		c.Entry = batcher.Entry{Signature: req.Signature, Inputs: req.Inputs, Arena: c.Arena, Deadline: c.Deadline}
		return nil
	})
}

// EncodeAnswer implements serving.Codec.
func (c *call) EncodeAnswer(_ *serving.Call, outputs []tensor.Tensor) error {
	return c.Respond(textSize(outputs), func(dst []byte) ([]byte, error) {
		return tensorjson.AppendPredict(dst, c.format, c.Entry.Signature, outputs)
	})
}

// Sample implements serving.Codec.
func (c *call) Sample(_ *serving.Call, outputs []tensor.Tensor) {
	c.record(c.Signature, func(asked *apis_go_proto.ModelSpec) *apis_go_proto.PredictionLog {
		return predictionlog.Predict(c.Handle, asked, c.Entry.Signature, c.Entry.Inputs, outputs, nil)
	})
}

// textSize estimates the length of tensors as JSON: a byte of an integer, or of a fraction, takes four bytes at most.
func textSize(outputs []tensor.Tensor) (n int) {
	for i := range outputs {
		n += 4 * len(outputs[i].Data)
		for _, s := range outputs[i].Strings {
			n += 2*len(s) + 8
		}
	}
	return n
}
