package tensorflow

/*
#include <stdlib.h>
#include "tensorflow/c/c_api.h"
*/
import "C"

import (
	"strings"
	"unsafe"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Devices lists the devices that sessions with this configuration have, as "/device:GPU:0". The first call, or the first model,
// makes TensorFlow look for GPUs, and decides for all sessions how their memory is taken.
func Devices(config *pb.ConfigProto) ([]string, error) {
	st := C.TF_NewStatus()
	defer C.TF_DeleteStatus(st)
	opts := C.TF_NewSessionOptions()
	defer C.TF_DeleteSessionOptions(opts)
	raw, err := proto.Marshal(config)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "session config: %v", err)
	}
	if len(raw) > 0 {
		C.TF_SetConfig(opts, unsafe.Pointer(&raw[0]), C.size_t(len(raw)), st)
		if err := statusError(st); err != nil {
			return nil, err
		}
	}
	graph := C.TF_NewGraph()
	defer C.TF_DeleteGraph(graph)
	session := C.TF_NewSession(graph, opts, st)
	if err := statusError(st); err != nil {
		return nil, err
	}
	names, err := sessionDevices(session)
	C.TF_CloseSession(session, st)
	C.TF_DeleteSession(session, st)
	return names, err
}

func sessionDevices(session *C.TF_Session) (names []string, err error) {
	st := C.TF_NewStatus()
	defer C.TF_DeleteStatus(st)
	list := C.TF_SessionListDevices(session, st)
	if err := statusError(st); err != nil {
		return nil, err
	}
	defer C.TF_DeleteDeviceList(list)
	for i := range C.TF_DeviceListCount(list) {
		name := C.GoString(C.TF_DeviceListName(list, i, st))
		names = append(names, name[max(strings.Index(name, "/device:"), 0):])
	}
	return names, nil
}
