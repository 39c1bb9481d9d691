package rpc

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"shoal/serving"
)

var requestIDKey = strings.ToLower(serving.RequestIDHeader)

// identify gives the call its id and sends it with the answer's header: the client's own, or a new one where that is not
// fit for logs, or where ids are made and the client sent none. "" is no id.
func (s *Server) identify(ctx context.Context) (id string) {
	if sent := metadata.ValueFromIncomingContext(ctx, requestIDKey); len(sent) > 0 {
		id = sent[0]
	}
	switch {
	case serving.ValidRequestID(id):
	case id != "" || s.opts.MakeRequestIDs:
		id = serving.NewRequestID()
	default:
		return ""
	}
	// Only a call that has been answered already can refuse a header.
	_ = grpc.SetHeader(ctx, metadata.Pairs(requestIDKey, id))
	return id
}
