package load

import (
	"context"

	"google.golang.org/grpc"
)

// Bearer is what stands before a key in an authorization.
const Bearer = "Bearer "

// WithKey sends a key with every call, over plain connections too: the target is on this machine, or the user said so.
func WithKey(key string) grpc.DialOption { return grpc.WithPerRPCCredentials(bearer(key)) }

type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": Bearer + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (bearer) RequireTransportSecurity() bool { return false }
