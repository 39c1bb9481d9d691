// Package choice decides for each signature of a model which of two engines runs it: the one that has loaded the model, or a second
// one that answers alike and is faster. The first one stays, and runs what the second one hands back.
package choice

import (
	"sync/atomic"

	"shoal/engine"
	"shoal/tensor"
)

// Use counts the runs of a signature that has a second engine, in all instances.
type Use struct {
	runs, returned atomic.Int64
}

// Runs is how many batches the second engine was given, and how many of them it handed back.
func (u *Use) Runs() (runs, returned int64) {
	if u == nil {
		return 0, 0
	}
	return u.runs.Load(), u.returned.Load()
}

// Instance runs a batch in the engine that was chosen for its signature. Like every instance it runs one batch at a time.
type Instance struct {
	first  engine.Instance
	second map[*tensor.Signature]chosen
}

type chosen struct {
	engine.Instance
	use *Use
}

var _ engine.Placer = (*Instance)(nil)

// NewInstance is an instance whose signatures all run in the first engine. It owns that instance.
func NewInstance(first engine.Instance) *Instance {
	return &Instance{first: first, second: make(map[*tensor.Signature]chosen)}
}

// First is the first engine's instance.
func (x *Instance) First() engine.Instance { return x.first }

// Choose has the signature run in an instance of the second engine, which x owns from then on. No batch may run meanwhile.
func (x *Instance) Choose(sig *tensor.Signature, second engine.Instance, use *Use) {
	x.second[sig] = chosen{second, use}
}

// Run implements engine.Instance. What the second engine does not answer, for whatever reason, the first one answers: its errors
// are the ones that clients know.
func (x *Instance) Run(b *tensor.Batch) (*tensor.Result, error) {
	c, ok := x.second[b.Signature]
	if !ok {
		return x.first.Run(b)
	}
	c.use.runs.Add(1)
	r, err := c.Instance.Run(b)
	if err == nil {
		return r, nil
	}
	c.use.returned.Add(1)
	return x.first.Run(b)
}

// Placement implements engine.Placer for the first engine.
func (x *Instance) Placement(b *tensor.Batch) (engine.Placement, error) {
	p, _, err := engine.PlacementOf(x.first, b)
	return p, err
}

// Close implements engine.Instance.
func (x *Instance) Close() {
	for _, c := range x.second {
		c.Instance.Close()
	}
	x.first.Close()
}
