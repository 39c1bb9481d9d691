// Package tensorflow is the only package that uses TensorFlow. It reads SavedModels, opens sessions and runs signatures, through
// a thin layer of cgo over TensorFlow's C API. The memory of every tensor is freed explicitly.
//
// The library is searched for in .cache/tensorflow of the source tree ("make deps" puts it there), in ../lib relative to the
// executable, and in the directories of the system's loader.
package tensorflow

/*
#cgo CFLAGS: -I${SRCDIR}/../../.cache/tensorflow/include
#cgo LDFLAGS: -L${SRCDIR}/../../.cache/tensorflow/lib -ltensorflow -Wl,-rpath,${SRCDIR}/../../.cache/tensorflow/lib -Wl,-rpath,$ORIGIN/../lib
#include <stdlib.h>
#include "tensorflow/c/c_api.h"
*/
import "C"

import (
	"unsafe"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Version is libtensorflow's version.
func Version() string { return C.GoString(C.TF_Version()) }

// LoadOpLibrary loads a shared object with custom ops and kernels into the process; models loaded after it can use them.
func LoadOpLibrary(path string) error {
	st := C.TF_NewStatus()
	defer C.TF_DeleteStatus(st)
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	lib := C.TF_LoadLibrary(p, st)
	if err := statusError(st); err != nil {
		return status.Errorf(status.Code(err), "--custom_op_libraries: %s: %s", path, status.Convert(err).Message())
	}
	C.TF_DeleteLibraryHandle(lib) // the handle only: the library stays loaded
	return nil
}

// statusError converts TensorFlow's status to a gRPC status error. The codes have the same numbers; the text is unchanged.
func statusError(st *C.TF_Status) error {
	code := C.TF_GetCode(st)
	if code == C.TF_OK {
		return nil
	}
	return status.Error(codes.Code(code), C.GoString(C.TF_Message(st)))
}
