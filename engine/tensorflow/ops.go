package tensorflow

// #include "tensorflow/c/c_api.h"
import "C"

import (
	"unsafe"

	"github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/op_def_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// registeredOps returns the definitions of the graph's ops that this process knows, by name.
func registeredOps(graph *graph_go_proto.GraphDef) (map[string]*op_def_go_proto.OpDef, error) {
	wanted := make(map[string]bool)
	for _, n := range graph.GetNode() {
		wanted[n.Op] = true
	}
	for _, f := range graph.GetLibrary().GetFunction() {
		for _, n := range f.NodeDef {
			wanted[n.Op] = true
		}
	}
	return opDefinitions(wanted)
}

// opDefinitions returns the definitions of the wanted ops that this process knows, by name. Of the list of all ops, more than a
// thousand, it decodes only these.
func opDefinitions(wanted map[string]bool) (map[string]*op_def_go_proto.OpDef, error) {
	buf := C.TF_GetAllOpList()
	defer C.TF_DeleteBuffer(buf)
	ops := make(map[string]*op_def_go_proto.OpDef, len(wanted))
	for list := unsafe.Slice((*byte)(buf.data), int(buf.length)); len(list) > 0; {
		raw, n := field(list, 1) // OpList.op
		if n < 0 {
			return nil, status.Errorf(codes.Internal, "the list of ops: %v", protowire.ParseError(n))
		}
		list = list[n:]
		if name, _ := field(raw, 1); !wanted[string(name)] { // OpDef.name is written first
			continue
		}
		op := new(op_def_go_proto.OpDef)
		if err := proto.Unmarshal(raw, op); err != nil {
			return nil, status.Errorf(codes.Internal, "the list of ops: %v", err)
		}
		ops[op.Name] = op
	}
	return ops, nil
}

// field returns the content of the message's first field, if it has this number, and the length of the field; negative: an error.
func field(raw []byte, number protowire.Number) (content []byte, length int) {
	num, typ, n := protowire.ConsumeTag(raw)
	if n < 0 {
		return nil, n
	}
	m := protowire.ConsumeFieldValue(num, typ, raw[n:])
	if m < 0 {
		return nil, m
	}
	if num == number && typ == protowire.BytesType {
		content, _ = protowire.ConsumeBytes(raw[n:])
	}
	return content, n + m
}
