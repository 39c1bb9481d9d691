package rpc

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// wireRequest is a request that reads itself from the wire. It keeps the buffer until its free.
type wireRequest interface {
	unmarshal(mem.Buffer) error
}

// wireResponse is an answer that is already serialised; sending it gives the buffer back.
type wireResponse struct{ mem.Buffer }

// codec is the protobuf codec, except for the messages that carry tensors and examples: those are not turned into
// generated messages and back, which would copy every element once more on either way.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(wireRequest)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	if err := r.unmarshal(buf); err != nil {
		buf.Free()
		return err
	}
	return nil
}

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if r, ok := v.(wireResponse); ok {
		return mem.BufferSlice{r.Buffer}, nil
	}
	return c.CodecV2.Marshal(v)
}

// newResponse takes a pooled buffer for size bytes and lets write append exactly those.
func newResponse(size int, write func(dst []byte) []byte) wireResponse {
	pool := mem.DefaultBufferPool()
	buf := pool.Get(size)
	write((*buf)[:0])
	return wireResponse{mem.NewBuffer(buf, pool)}
}
