package rpc

import (
	"math"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxMessageBytes is the largest message taken, inflated; gRPC's own limit is that of an int32.
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

// checkSize refuses a message beyond the limit, in gRPC's own words and with the flag. gRPC itself, which cannot name a flag,
// is told of twice the limit: it lets no message in that is much too large.
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
