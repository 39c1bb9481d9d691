package rpc

import (
	"runtime"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"shoal/tensor"
)

// Response is an answer that is already serialised. Sending it releases the buffer.
type Response struct {
	buffers [1]mem.Buffer
}

// codec is the protobuf codec, except for messages with tensors and examples. These are not converted to generated messages,
// which would copy every element once more in each direction.
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

// newResponse takes memory for size bytes; write must append exactly as many. A large answer counts against the budget until it
// is sent or dropped.
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
	if mem.IsBelowBufferPoolingThreshold(size) { // gRPC would not release such a small buffer
		r.buffers[0] = mem.SliceBuffer(write(make([]byte, 0, size)))
		return r, nil
	}
	block := tensor.Block(size)
	write((*block)[:0])
	r.buffers[0] = mem.NewBuffer(block, pool)
	return r, nil
}

// smallAnswer is the largest answer that is not counted, because the call's memory covers it.
const smallAnswer = 32 << 10

// heldAnswer is the pool to which one large answer returns.
type heldAnswer struct {
	blocks
	lease   *tensor.Lease
	dropped runtime.Cleanup
}

// holdAnswer takes memory for an answer from the budget. The answer's buffer returns it. When a stream or connection ends, gRPC
// drops the buffers of waiting answers without releasing them; their memory returns when the garbage collector finds them.
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

// blocks gives gRPC access to the pool of requests' memory. gRPC's own pools clear the buffers that they return, which may be 1
// MiB for 40 kB because there are no sizes between.
type blocks struct{}

func (blocks) Get(n int) *[]byte { return tensor.Block(n) }
func (blocks) Put(b *[]byte)     { tensor.FreeBlock(b) }
