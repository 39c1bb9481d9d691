package tensorflow

import (
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestDeviceFault(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{status.Error(codes.Internal, "failed to synchronize: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"), true},
		{status.Error(codes.Internal, "Failed to launch kernel: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered"), true},
		{status.Error(codes.ResourceExhausted, "OOM when allocating tensor, CUDA_ERROR_UNKNOWN"), false},
		{status.Error(codes.Internal, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"), false},
		{status.Error(codes.InvalidArgument, "Incompatible shapes: CUDA_ERROR_ASSERT"), false},
		{status.Error(codes.Internal, "an illegal memory access was encountered"), true},
		{status.Error(codes.Internal, "CUDA Runtime error: launching: cudaErrorLaunchFailure: unspecified launch failure"), true},
		{status.Error(codes.Internal, "stream did not block host until done; was already in an error state"), true},
		{status.Error(codes.Internal, "GPU sync failed"), true},
		{status.Error(codes.InvalidArgument, "GPU sync failed, says the model"), false},
		{status.Error(codes.Internal, "Blas GEMM launch failed"), false},
		{errors.New("CUDA_ERROR_UNKNOWN"), false},
		{nil, false},
	} {
		if got := deviceFault(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
