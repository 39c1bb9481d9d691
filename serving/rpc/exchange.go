package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"shoal/serving"
)

// Exchange is the record of a call, and its serving.Exchange.
type Exchange struct {
	serving.Call
	Received int // bytes of the request, inflated
	Response any // *Response or proto.Message; nil: not known

	id string // "": none
}

// Header implements serving.Exchange.
func (e *Exchange) Header(name string) string {
	if values := metadata.ValueFromIncomingContext(e.Context, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// SetHeader implements serving.Exchange. Only a call that has been answered already can refuse a header.
func (e *Exchange) SetHeader(name, value string) {
	_ = grpc.SetHeader(e.Context, metadata.Pairs(name, value))
}

// Facts implements serving.Exchange. The sizes are those without compression.
func (e *Exchange) Facts() serving.Facts {
	f := serving.Facts{RequestID: e.id, Received: e.Received}
	switch r := e.Response.(type) {
	case *Response:
		f.Sent = r.size()
	case proto.Message:
		f.Sent = proto.Size(r)
	}
	return f
}

// refused reports to the observer a call that was rejected before it was read.
func (s *Server) refused(ctx context.Context, method string, err error) {
	s.opts.Observer.Done(&serving.Call{
		Context: ctx, API: serving.GRPC, Method: method, Version: serving.NoVersion, Err: err, Start: time.Now(),
	})
}
