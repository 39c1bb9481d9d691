package rpc

import (
	"google.golang.org/grpc/mem"

	"shoal/tensor"
)

// WireRequest is a request that reads itself from the wire, and carries the record of its call for its handler to complete. Its
// type embeds a Carrier or an ArenaCarrier. One that has a method Recycle is used again after it.
type WireRequest interface {
	// Unmarshal reads the message. The buffers are not its own: what it needs it copies.
	Unmarshal(mem.BufferSlice) error
	// ModelName is the model as the request names it; "": it names none.
	ModelName() string

	record() *Exchange
}

// Carrier is a request's record of its call.
type Carrier struct {
	Exchange Exchange
	budget   *tensor.Budget
}

func (c *Carrier) within(b *tensor.Budget) { c.budget = b }

func (c *Carrier) record() *Exchange { return &c.Exchange }

// ArenaCarrier is a Carrier of a request whose message lies in an arena, so that its tensors can stay where they are.
type ArenaCarrier struct {
	Carrier
	Arena *tensor.Arena // nil before Keep
}

// Keep copies the message out of its frames into a new arena.
func (c *ArenaCarrier) Keep(data mem.BufferSlice) []byte {
	c.Exchange.Received = data.Len()
	c.Arena = tensor.NewArena()
	c.Arena.Within(c.budget)
	wire := c.Arena.Bytes(data.Len())
	data.CopyTo(wire)
	return wire
}

// Drop gives the message's memory back and forgets the call. What a batch may still read is the arena's.
func (c *ArenaCarrier) Drop() {
	c.Arena.Free()
	c.Arena = nil
	c.Exchange = Exchange{}
}

// inArena tells requests whose arena counts what they hold.
func (c *ArenaCarrier) inArena() {}
