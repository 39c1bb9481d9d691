package tensorflow

import (
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// cudaFaults are CUDA's errors (cuda.h, CUresult) after which a device, or this process's context on it, computes no more;
// TensorFlow puts their names into its messages. Errors of a call (invalid value, out of memory) are not among them.
var cudaFaults = []string{
	"CUDA_ERROR_NO_DEVICE", "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA_ERROR_ECC_UNCORRECTABLE", "CUDA_ERROR_NVLINK_UNCORRECTABLE",
	"CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_TIMEOUT", "CUDA_ERROR_CONTEXT_IS_DESTROYED", "CUDA_ERROR_ASSERT",
	"CUDA_ERROR_HARDWARE_STACK_ERROR", "CUDA_ERROR_ILLEGAL_INSTRUCTION", "CUDA_ERROR_MISALIGNED_ADDRESS", "CUDA_ERROR_INVALID_ADDRESS_SPACE",
	"CUDA_ERROR_INVALID_PC", "CUDA_ERROR_LAUNCH_FAILED", "CUDA_ERROR_CONTAINED", "CUDA_ERROR_TENSOR_MEMORY_LEAK", "CUDA_ERROR_EXTERNAL_DEVICE",
	"CUDA_ERROR_SYSTEM_NOT_READY", "CUDA_ERROR_UNKNOWN",
}

// runtimeFaults are the same errors in the words of CUDA's runtime and its libraries: TensorFlow passes on the text of an error
// when a kernel cannot be launched (cudaGetErrorString), XLA its name, and cuBLAS, cuDNN and streams say only that something
// failed.
var runtimeFaults = []string{
	"no CUDA-capable device is detected", "CUDA-capable device(s) is/are busy or unavailable", "uncorrectable ECC error encountered",
	"uncorrectable NVLink error", "an illegal memory access was encountered", "the launch timed out and was terminated",
	"context is destroyed", "device-side assert triggered", "hardware stack error", "an illegal instruction was encountered",
	"unspecified launch failure", "invalid program counter",
	"cudaErrorNoDevice", "cudaErrorDevicesUnavailable", "cudaErrorECCUncorrectable", "cudaErrorNvlinkUncorrectable",
	"cudaErrorIllegalAddress", "cudaErrorLaunchTimeout", "cudaErrorContextIsDestroyed", "cudaErrorAssert", "cudaErrorHardwareStackError",
	"cudaErrorIllegalInstruction", "cudaErrorMisalignedAddress", "cudaErrorInvalidPc", "cudaErrorLaunchFailure", "cudaErrorUnknown",
	"CUBLAS_STATUS_EXECUTION_FAILED", "CUBLAS_STATUS_MAPPING_ERROR", "CUDNN_STATUS_EXECUTION_FAILED", "CUDNN_STATUS_MAPPING_ERROR",
	"GPU sync failed", "was already in an error state",
}

// DeviceFault implements engine.Engine: it reports whether a run's error is its GPU's. An error that the request or the model
// causes would come again on any device.
func (*Engine) DeviceFault(err error) bool { return deviceFault(err) }

func deviceFault(err error) bool {
	s, ok := status.FromError(err)
	if !ok || err == nil {
		return false
	}
	switch s.Code() {
	case codes.Internal, codes.Unknown, codes.Unavailable, codes.FailedPrecondition, codes.Aborted:
	default:
		return false
	}
	for _, name := range slices.Concat(cudaFaults, runtimeFaults) {
		if strings.Contains(s.Message(), name) {
			return true
		}
	}
	return false
}
