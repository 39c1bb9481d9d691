package serving

import (
	"context"

	"shoal/tensor"
)

// Codec is a protocol's part of a prediction. It keeps what it has to know in memory of its own, beside the call.
type Codec interface {
	// DecodeRequest reads the request and fills in the call's Entry. It pins the version (Call.Pin) and finds the signature (Call.Find)
	// when the protocol's order of errors demands it, and makes the protocol's own errors. Memory of the entry's arena may run out:
	// Predict handles the panic.
	DecodeRequest(ctx context.Context, c *Call) error
	// EncodeAnswer writes the answer. The outputs, in the signature's order, are gone when Predict returns.
	EncodeAnswer(c *Call, outputs []tensor.Tensor) error
	// Sample keeps the request and its answer, if they are one of the sample that the operator wants to be logged.
	Sample(c *Call, outputs []tensor.Tensor)
}

// Predict answers one prediction of any protocol, and notes in the call what happened. The caller shows the call to its Observer, and
// unpins the version.
func Predict(ctx context.Context, c *Call, codec Codec) error {
	if err := tensor.Guard(func() error { return codec.DecodeRequest(ctx, c) }); err != nil {
		return err
	}
	c.Decode = c.Lap()
	if in := c.Entry.Inputs; len(in) > 0 {
		c.Rows = int(in[0].Rows())
	}
	if c.Entry.Priority == 0 { // the protocol has no word of its own for it, or the request does not use it
		level, err := c.Priority()
		if err != nil {
			return err
		}
		c.Entry.Priority = level
	}
	answer, err := c.Handle.Run(ctx, c.Entry)
	if err != nil {
		return err
	}
	defer answer.Free()
	c.Queue, c.Run, c.BatchRows = answer.Queue, answer.Run, max(1, answer.BatchRows)
	c.Lap()
	if err := codec.EncodeAnswer(c, answer.Outputs); err != nil {
		return err
	}
	c.Encode = c.Lap()
	codec.Sample(c, answer.Outputs)
	return nil
}

// Pin resolves the version that spec names and holds it until Unpin. Once it has succeeded, it does nothing.
func (c *Call) Pin(core Core, spec ModelSpec) error {
	if c.Handle != nil {
		return nil
	}
	h, err := core.Handle(spec)
	if err != nil {
		return err
	}
	c.Handle, c.Model, c.Version = h, h.Model, h.Version
	return nil
}

// Unpin releases the version, if one is pinned.
func (c *Call) Unpin() {
	c.Handle.Release()
	c.Handle = nil
}

// Find returns a signature of the pinned version; "" stands for "serving_default".
func (c *Call) Find(key string) (*tensor.Signature, bool) {
	sig, ok := c.Handle.Signature(key)
	if ok {
		c.Signature = sig.Name
	}
	return sig, ok
}
