package oip

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Triton's texts, which its clients know.
var (
	// ErrNotReady answers the question whether a model is ready with no, by REST.
	ErrNotReady = status.Error(codes.InvalidArgument, "Model version not ready")
	// ErrRepositoryFixed answers requests to load or unload a model of a server whose models only its configuration decides.
	ErrRepositoryFixed = status.Error(codes.Unavailable, "explicit model load / unload is not allowed if polling is enabled")
	// ErrSharedMemory answers everything about shared memory.
	ErrSharedMemory = status.Error(codes.Unimplemented, "shared memory is not supported: send tensors in the request")
)

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
