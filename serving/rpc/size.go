package rpc

import (
	"math"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxMessageBytes returns the largest message that is accepted, inflated. gRPC's own limit is that of an int32.
func (o *Options) maxMessageBytes() int64 {
	limit := o.MaxMessageBytes
	if o.ChannelArguments.MaxReceiveBytes != 0 {
		limit = o.ChannelArguments.MaxReceiveBytes
	}
	if limit <= 0 || limit > math.MaxInt32 {
		return math.MaxInt32
	}
	return limit
}

// checkSize rejects a message beyond the limit, with gRPC's text and the name of the flag. gRPC, whose error cannot name a flag,
// has twice the limit, so that it rejects only messages that are much too large.
func (o *Options) checkSize(sent int) error {
	limit := o.maxMessageBytes()
	if int64(sent) <= limit {
		return nil
	}
	flag := "--max_request_bytes"
	if o.ChannelArguments.MaxReceiveBytes != 0 {
		flag = "--grpc_channel_arguments=grpc.max_receive_message_length"
	}
	return status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d): %s sets the limit", sent, limit, flag)
}
