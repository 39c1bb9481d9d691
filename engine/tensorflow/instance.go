package tensorflow

/*
#cgo noescape shoal_run
#cgo nocallback shoal_run
#cgo noescape shoal_inputs
#cgo nocallback shoal_inputs
#cgo noescape shoal_release
#cgo nocallback shoal_release
#cgo noescape shoal_put_string
#cgo nocallback shoal_put_string
#include "run.h"
*/
import "C"

import (
	"math"
	"sync"
	"time"
	"unsafe"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/engine"
	"shoal/tensor"
)

// maxRank is TensorFlow's limit on dimensions; it aborts the process above it.
const maxRank = 254

// Instance runs the model's signatures, one batch at a time, in the caller's thread. It is not safe for concurrent use. Several
// instances of one model can run at the same time and share the variables.
type Instance struct {
	model *Model
	calls map[*tensor.Signature]*call
}

// call holds the arguments of one signature's runs, made once: everything lies in C memory.
type call struct {
	c *C.shoal_call
}

// callersThread makes TensorFlow run a graph's ops in the calling thread and not in a pool. So there is no thread switch, and the
// number of running threads is the number of running instances. A timeout in the options would have no effect.
var callersThread = sync.OnceValue(func() []byte { return marshalled(&pb.RunOptions{InterOpThreadPool: -1}) })

// ownPool lets TensorFlow run the ops in its own threads, while the caller's thread waits. Otherwise, with a GPU, everything
// after the end of a kernel or a copy would run in the one thread that waits for the GPU's events.
var ownPool = sync.OnceValue(func() []byte { return marshalled(&pb.RunOptions{}) })

func marshalled(o *pb.RunOptions) []byte {
	raw, err := proto.Marshal(o)
	if err != nil {
		panic(err)
	}
	return raw
}

// NewInstance implements engine.Runner.
func (m *Model) NewInstance() (engine.Instance, error) {
	in, err := m.newInstance()
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (m *Model) newInstance() (*Instance, error) {
	in := &Instance{model: m, calls: make(map[*tensor.Signature]*call)}
	for _, sig := range m.Signatures {
		c, err := m.newCall(sig)
		if err != nil {
			in.Close()
			return nil, err
		}
		in.calls[m.known(sig)] = c
	}
	return in, nil
}

// Close frees the instance's memory.
func (in *Instance) Close() {
	for _, c := range in.calls {
		C.shoal_call_delete(c.c)
	}
	in.calls = nil
}

func (m *Model) newCall(sig *tensor.Signature) (*call, error) {
	options := callersThread()
	if m.onGPU() {
		options = ownPool()
	}
	c := &call{c: C.shoal_call_new(m.session, C.int(len(sig.Inputs)), C.int(len(sig.Outputs)), unsafe.Pointer(unsafe.SliceData(options)), C.size_t(len(options)))}
	for i, s := range sig.Inputs {
		o, err := m.output(s.TensorName)
		if err != nil {
			C.shoal_call_delete(c.c)
			return nil, status.Errorf(codes.InvalidArgument, "signature %q, input %q: %v", sig.Name, s.Name, err)
		}
		unsafe.Slice(c.c.inputs, len(sig.Inputs))[i] = o
	}
	for i, s := range sig.Outputs {
		o, err := m.output(s.TensorName)
		if err != nil {
			C.shoal_call_delete(c.c)
			return nil, status.Errorf(codes.InvalidArgument, "signature %q, output %q: %v", sig.Name, s.Name, err)
		}
		unsafe.Slice(c.c.outputs, len(sig.Outputs))[i] = o
	}
	return c, nil
}

// Run gathers the batch into TensorFlow's memory and runs it. The outputs are in TensorFlow's memory until the result is freed.
// Errors are gRPC status errors: TensorFlow's own, or INVALID_ARGUMENT for a tensor that would abort the process.
func (in *Instance) Run(b *tensor.Batch) (*tensor.Result, error) {
	c := in.calls[b.Signature]
	if c == nil {
		return nil, status.Errorf(codes.InvalidArgument, "signature %q is not one of this model's", b.Signature.Name)
	}
	if err := c.gather(b); err != nil {
		return nil, err
	}
	metered := C.int(1)
	if b.Unmetered {
		metered = 0
	}
	if C.shoal_run(c.c, metered) != 0 {
		return nil, statusError(c.c.status)
	}
	r, err := c.result(b.Signature)
	if err == nil && in.model.oneThread {
		r.CPU = time.Duration(c.c.cpu_nanos)
	}
	return r, err
}

// gather allocates the input tensors and fills them.
func (c *call) gather(b *tensor.Batch) error {
	dims := make([]int64, 0, 16)
	specs := make([]C.shoal_spec, len(b.Shapes))
	for i, shape := range b.Shapes {
		dt := b.Parts[0][i].DType
		n, ok := shape.Elements()
		esize := int64(dt.Size())
		if dt == tensor.String {
			esize = C.sizeof_TF_TString
		}
		if !ok || len(shape) > maxRank || !dt.Known() || n > math.MaxInt64/esize {
			return status.Errorf(codes.InvalidArgument, "input %q: a tensor of type %v and shape %v is too large, or has more than %d dimensions", b.Signature.Inputs[i].Name, dt, shape, maxRank)
		}
		specs[i] = C.shoal_spec{dtype: C.int(dt), rank: C.int(len(shape)), bytes: C.size_t(n * esize)}
		dims = append(dims, shape...)
	}
	var pdims *C.int64_t
	if len(dims) > 0 {
		pdims = (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(dims)))
	}
	if len(specs) == 0 {
		return nil
	}
	if failed := C.shoal_inputs(c.c, unsafe.SliceData(specs), pdims); failed >= 0 {
		return status.Errorf(codes.ResourceExhausted, "input %q: no memory for a tensor of %d bytes", b.Signature.Inputs[failed].Name, int64(specs[failed].bytes))
	}
	data := unsafe.Slice(c.c.input_data, len(b.Shapes))
	for i := range b.Shapes {
		if b.Parts[0][i].DType == tensor.String {
			b.GatherStrings(i, func(k int, s []byte) {
				C.shoal_put_string(data[i], C.size_t(k), (*C.char)(unsafe.Pointer(unsafe.SliceData(s))), C.size_t(len(s)))
			})
		} else if n := int(specs[i].bytes); n > 0 {
			b.Gather(i, unsafe.Slice((*byte)(data[i]), n))
		}
	}
	return nil
}

// result wraps the outputs of the last run. They are Go slices of C memory; strings refer to TensorFlow's strings.
func (c *call) result(sig *tensor.Signature) (*tensor.Result, error) {
	n := len(sig.Outputs)
	infos := unsafe.Slice(c.c.output_info, n)
	held := make([]*C.TF_Tensor, n)
	r := &tensor.Result{Outputs: make([]tensor.Tensor, n)}
	r.Release = func() {
		if n > 0 {
			C.shoal_release(unsafe.SliceData(held), C.int(n))
		}
	}
	for i := range infos {
		held[i] = infos[i].tensor
	}
	for i := range infos {
		info := &infos[i]
		t := &r.Outputs[i]
		t.DType = tensor.DType(info.dtype)
		t.Shape = make(tensor.Shape, int(info.rank))
		for d := range t.Shape {
			t.Shape[d] = int64(C.TF_Dim(info.tensor, C.int(d)))
		}
		switch {
		case !t.DType.Known():
			name := sig.Outputs[i].Name
			r.Free()
			return nil, status.Errorf(codes.Unimplemented, "output %q has the type %v, which cannot be sent", name, t.DType)
		case t.DType == tensor.String:
			t.Strings = stringViews(info)
		case info.bytes > 0:
			t.Data = unsafe.Slice((*byte)(info.data), int(info.bytes))
		}
	}
	return r, nil
}

func stringViews(info *C.shoal_output) [][]byte {
	n := int(info.bytes) / C.sizeof_TF_TString
	if n == 0 {
		return nil
	}
	raw := make([]C.shoal_view, n)
	C.shoal_views(info.data, C.size_t(n), unsafe.SliceData(raw))
	views := make([][]byte, n)
	for i, v := range raw {
		views[i] = unsafe.Slice((*byte)(unsafe.Pointer(v.data)), int(v.size))
	}
	return views
}
