package devices

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// cudaFaults are CUDA's errors (cuda.h, CUresult) after which a device, or this process's context on it, computes no more; TensorFlow
// puts their names into its messages. Errors of a call (invalid value, out of memory) are not among them.
var cudaFaults = []string{
	"CUDA_ERROR_NO_DEVICE", "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA_ERROR_ECC_UNCORRECTABLE", "CUDA_ERROR_NVLINK_UNCORRECTABLE",
	"CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_TIMEOUT", "CUDA_ERROR_CONTEXT_IS_DESTROYED", "CUDA_ERROR_ASSERT",
	"CUDA_ERROR_HARDWARE_STACK_ERROR", "CUDA_ERROR_ILLEGAL_INSTRUCTION", "CUDA_ERROR_MISALIGNED_ADDRESS", "CUDA_ERROR_INVALID_ADDRESS_SPACE",
	"CUDA_ERROR_INVALID_PC", "CUDA_ERROR_LAUNCH_FAILED", "CUDA_ERROR_CONTAINED", "CUDA_ERROR_TENSOR_MEMORY_LEAK", "CUDA_ERROR_EXTERNAL_DEVICE",
	"CUDA_ERROR_SYSTEM_NOT_READY", "CUDA_ERROR_UNKNOWN",
}

// RunFault tells whether a run's error is its GPU's: then Watcher.Fail takes the GPU out of service and the batch may run
// elsewhere. An error that the request or the model brought about would come again on any device.
func RunFault(err error) bool {
	s, ok := status.FromError(err)
	if !ok || err == nil {
		return false
	}
	switch s.Code() {
	case codes.Internal, codes.Unknown, codes.Unavailable, codes.FailedPrecondition, codes.Aborted:
	default:
		return false
	}
	for _, name := range cudaFaults {
		if strings.Contains(s.Message(), name) {
			return true
		}
	}
	return false
}
