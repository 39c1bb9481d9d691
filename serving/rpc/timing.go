package rpc

import (
	"context"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"shoal/serving"
)

// The metadata with which a client asks how long a call's phases took and how many rows its batch had, and the trailers of the
// answer. They have the content and form of REST's headers. Only clients that ask get them, because they cost some microseconds.
const (
	askTimingKey    = "shoal-timing"
	timingKey       = "server-timing"
	batchSizeKey    = "shoal-batch-size"
	modelVersionKey = "shoal-model-version"
)

// sendTiming sets the trailers of a call that was answered, if its client asked for them.
func sendTiming(ctx context.Context, c *serving.Call) {
	if c.Version == serving.NoVersion || len(metadata.ValueFromIncomingContext(ctx, askTimingKey)) == 0 {
		return
	}
	md := metadata.Pairs(timingKey, string(c.AppendTiming(nil)), modelVersionKey, strconv.FormatInt(c.Version, 10))
	if c.BatchRows > 0 {
		md.Set(batchSizeKey, strconv.Itoa(c.BatchRows))
	}
	_ = grpc.SetTrailer(ctx, md) // fails only if there is no call
}
