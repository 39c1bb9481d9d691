package tensorflow

/*
#include <stdlib.h>
#include "tensorflow/c/c_api_experimental.h"
*/
import "C"

import (
	"unsafe"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// checkpoint reads the tensors of a model's variables/ directory.
type checkpoint struct {
	reader *C.TF_CheckpointReader
	held   []*C.TF_Tensor // tensors whose memory callers use, until close
}

// openCheckpoint opens the checkpoint whose files begin with prefix.
func openCheckpoint(prefix string) (*checkpoint, error) {
	st := C.TF_NewStatus()
	defer C.TF_DeleteStatus(st)
	p := C.CString(prefix)
	defer C.free(unsafe.Pointer(p))
	reader := C.TF_NewCheckpointReader(p, st)
	if err := statusError(st); err != nil {
		return nil, err
	}
	return &checkpoint{reader: reader}, nil
}

// close frees the reader and all values.
func (c *checkpoint) close() {
	for _, t := range c.held {
		C.TF_DeleteTensor(t)
	}
	C.TF_DeleteCheckpointReader(c.reader)
	c.reader, c.held = nil, nil
}

// Describe returns the element type and dimensions of a tensor, and whether the checkpoint has it.
func (c *checkpoint) Describe(name string) (dtype int32, dims []int64, ok bool) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	if C.TF_CheckpointReaderHasTensor(c.reader, n) == 0 {
		return 0, nil, false
	}
	st := C.TF_NewStatus()
	defer C.TF_DeleteStatus(st)
	rank := C.TF_CheckpointReaderGetVariableNumDims(c.reader, n)
	sizes := make([]C.int64_t, max(rank, 1))
	C.TF_CheckpointReaderGetVariableShape(c.reader, n, unsafe.SliceData(sizes), rank, st)
	if statusError(st) != nil {
		return 0, nil, false
	}
	for _, d := range sizes[:rank] {
		dims = append(dims, int64(d))
	}
	return int32(C.TF_CheckpointReaderGetVariableDataType(c.reader, n)), dims, true
}

// value reads a whole tensor of fixed-size elements. TensorFlow owns its memory, which is valid until close.
func (c *checkpoint) value(name string) ([]byte, error) {
	st := C.TF_NewStatus()
	defer C.TF_DeleteStatus(st)
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	t := C.TF_CheckpointReaderGetTensor(c.reader, n, st)
	if err := statusError(st); err != nil {
		return nil, err
	}
	c.held = append(c.held, t)
	size := int(C.TF_TensorByteSize(t))
	if size == 0 {
		return nil, nil
	}
	data := C.TF_TensorData(t)
	if data == nil {
		return nil, status.Errorf(codes.ResourceExhausted, "no memory for the variable %q of %d bytes", name, size)
	}
	return unsafe.Slice((*byte)(data), size), nil
}
