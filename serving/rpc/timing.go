package rpc

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// The metadata with which a client asks how long a call's phases took and how many rows its batch had, and the trailers that
// tell. They say what REST's headers do, in the same form. Only who asks has them: they cost some microseconds.
const (
	askTimingKey    = "shoal-timing"
	timingKey       = "server-timing"
	batchSizeKey    = "shoal-batch-size"
	modelVersionKey = "shoal-model-version"
)

// tell sets the trailers of a call that was answered, if its client asked for them.
func (c *Call) tell(ctx context.Context) {
	if c.Version == NoVersion || len(metadata.ValueFromIncomingContext(ctx, askTimingKey)) == 0 {
		return
	}
	b := appendPhase(nil, "decode", c.Decode)
	if c.BatchRows > 0 {
		b = appendPhase(b, "queue", c.Queue)
	}
	b = appendPhase(appendPhase(b, "run", c.Run), "encode", c.Encode)
	md := metadata.Pairs(timingKey, string(b), modelVersionKey, strconv.FormatInt(c.Version, 10))
	if c.BatchRows > 0 {
		md.Set(batchSizeKey, strconv.Itoa(c.BatchRows))
	}
	_ = grpc.SetTrailer(ctx, md) // fails only where there is no call
}

// appendPhase appends "name;dur=1.234", in milliseconds.
func appendPhase(b []byte, name string, d time.Duration) []byte {
	if len(b) > 0 {
		b = append(b, ", "...)
	}
	b = append(append(b, name...), ";dur="...)
	return strconv.AppendFloat(b, d.Seconds()*1e3, 'f', 3, 64)
}
