package rpc

import (
	"runtime"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"shoal/tensor"
)

// Response is an answer that is already serialised; sending it gives the buffer back.
type Response struct {
	buffers [1]mem.Buffer
}

// codec is the protobuf codec, except for the messages that carry tensors and examples: those are not turned into
// generated messages and back, which would copy every element once more on either way.
type codec struct {
	encoding.CodecV2
	limit int64 // of such a message
}

func newCodec(limit int64) codec { return codec{encoding.GetCodecV2(proto.Name), limit} }

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if r, ok := v.(WireRequest); ok {
		if int64(data.Len()) > c.limit { // it will be refused: see checkSize
			r.record().Received = data.Len()
			return nil
		}
		return r.Unmarshal(data)
	}
	return c.CodecV2.Unmarshal(data, v)
}

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if r, ok := v.(*Response); ok {
		return r.buffers[:], nil
	}
	return c.CodecV2.Marshal(v)
}

// newResponse takes memory for size bytes and lets write append exactly those. A large answer counts against the budget until it
// has been sent, or nobody wants it any more.
func newResponse(budget *tensor.Budget, size int, write func(dst []byte) []byte) (*Response, error) {
	r := new(Response)
	pool := mem.BufferPool(blocks{})
	if size > smallAnswer {
		held, err := holdAnswer(budget, int64(size))
		if err != nil {
			return nil, err
		}
		pool = held
	}
	if mem.IsBelowBufferPoolingThreshold(size) { // gRPC would not give so small a buffer back
		r.buffers[0] = mem.SliceBuffer(write(make([]byte, 0, size)))
		return r, nil
	}
	block := tensor.Block(size)
	write((*block)[:0])
	r.buffers[0] = mem.NewBuffer(block, pool)
	return r, nil
}

// smallAnswer is the size up to which what the call holds anyway stands for its answer.
const smallAnswer = 32 << 10

// heldAnswer is the pool that one large answer goes back to.
type heldAnswer struct {
	blocks
	lease   *tensor.Lease
	dropped runtime.Cleanup
}

// holdAnswer takes memory for an answer from the budget. It comes back with the answer's buffer. gRPC drops the buffers of answers that
// wait when their stream or connection ends, without a word; their memory comes back when the garbage collector finds them.
func holdAnswer(budget *tensor.Budget, size int64) (*heldAnswer, error) {
	h := &heldAnswer{lease: new(tensor.Lease)}
	h.lease.Open(budget)
	if err := h.lease.Use(size); err != nil {
		return nil, err
	}
	h.dropped = runtime.AddCleanup(h, (*tensor.Lease).Free, h.lease)
	return h, nil
}

func (h *heldAnswer) Put(b *[]byte) {
	h.dropped.Stop()
	h.blocks.Put(b)
	h.lease.Free()
}

func (r *Response) size() int { return r.buffers[0].Len() }

// blocks is gRPC's view of the pool that requests' memory comes from. Its own pools clear what they give out, all of a
// buffer that may be 1 MiB long for 40 kB, and have no sizes between these.
type blocks struct{}

func (blocks) Get(n int) *[]byte { return tensor.Block(n) }
func (blocks) Put(b *[]byte)     { tensor.FreeBlock(b) }
