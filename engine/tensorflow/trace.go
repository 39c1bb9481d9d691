package tensorflow

/*
#include "run.h"

// shoal_trace is shoal_run with options, and also returns TensorFlow's record of the run.
static int shoal_trace(shoal_call* c, const void* options, size_t options_len, TF_Buffer* record) {
  TF_Buffer* o = TF_NewBufferFromString(options, options_len);
  for (int i = 0; i < c->n_outputs; i++) c->output_tensors[i] = NULL;
  TF_SessionRun(c->session, o, c->inputs, c->input_tensors, c->n_inputs, c->outputs, c->output_tensors, c->n_outputs, NULL, 0,
                record, c->status);
  TF_DeleteBuffer(o);
  for (int i = 0; i < c->n_inputs; i++) {
    TF_DeleteTensor(c->input_tensors[i]);
    c->input_tensors[i] = NULL;
  }
  for (int i = 0; i < c->n_outputs; i++)
    if (c->output_tensors[i]) TF_DeleteTensor(c->output_tensors[i]);
  return TF_GetCode(c->status);
}
*/
import "C"

import (
	"strings"
	"unsafe"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

// Executed is one op that a run executed.
type Executed struct {
	Node   string
	Op     string
	Device string
	Micros int64
}

// Trace runs the batch and returns what TensorFlow executed, after its optimisers, in place of the outputs. It is slow.
func (in *Instance) Trace(b *tensor.Batch) ([]Executed, error) {
	meta, err := in.record(b, &pb.RunOptions{TraceLevel: pb.RunOptions_FULL_TRACE, InterOpThreadPool: -1})
	if err != nil {
		return nil, err
	}
	var list []Executed
	for _, d := range meta.GetStepStats().GetDevStats() {
		for _, n := range d.NodeStats {
			_, op, _ := strings.Cut(n.TimelineLabel, " = ") // "node = Op(inputs)"
			op, _, _ = strings.Cut(op, "(")
			list = append(list, Executed{Node: n.NodeName, Op: op, Device: d.Device, Micros: n.OpEndRelMicros - n.OpStartRelMicros})
		}
	}
	return list, nil
}

// record runs the batch with these options and returns TensorFlow's record of it.
func (in *Instance) record(b *tensor.Batch, o *pb.RunOptions) (*pb.RunMetadata, error) {
	c := in.calls[b.Signature]
	if c == nil {
		return nil, status.Errorf(codes.InvalidArgument, "signature %q is not one of this model's", b.Signature.Name)
	}
	options, err := proto.Marshal(o)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "run options: %v", err)
	}
	if err := c.gather(b); err != nil {
		return nil, err
	}
	record := C.TF_NewBuffer()
	defer C.TF_DeleteBuffer(record)
	if C.shoal_trace(c.c, unsafe.Pointer(unsafe.SliceData(options)), C.size_t(len(options)), record) != 0 {
		return nil, statusError(c.c.status)
	}
	meta := new(pb.RunMetadata)
	if err := proto.Unmarshal(unsafe.Slice((*byte)(record.data), int(record.length)), meta); err != nil {
		return nil, status.Errorf(codes.Internal, "the run's record: %v", err)
	}
	return meta, nil
}
