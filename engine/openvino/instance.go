package openvino

/*
#cgo noescape shoal_ov_run
#cgo nocallback shoal_ov_run
#cgo noescape shoal_ov_inputs
#cgo nocallback shoal_ov_inputs
#include <stdlib.h>
#include "run.h"
*/
import "C"

import (
	"math"
	"sync"
	"time"
	"unsafe"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine"
	"shoal/tensor"
)

// keepBytes is the size up to which the memory of a tensor is kept for the next run.
const keepBytes = 16 << 20

// Instance is a compiled model. It runs one batch at a time in the caller's thread and is not safe for concurrent use; several
// instances of a model run side by side.
type Instance struct {
	sig      *tensor.Signature
	compiled *C.ov_compiled_model
	call     *C.shoal_ov_call
	ports    []C.shoal_ov_port // the inputs and outputs, in C memory
	ranks    []C.int
	dims     []int64
	guard    *guard // nil: everything is run
	results  *results
}

// NewInstance compiles the model. That takes a tenth of a second, or seconds for a large model.
func (m *Model) NewInstance() (engine.Instance, error) {
	in, err := m.newInstance()
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (m *Model) newInstance() (*Instance, error) {
	in := &Instance{sig: m.Signature, results: new(results)}
	precision := C.CString(m.options.Precision)
	defer C.free(unsafe.Pointer(precision))
	if m.options.Guarded {
		in.guard = newGuard(m)
	}
	if code := C.shoal_ov_compile(m.model, precision, &in.compiled); code != 0 {
		return nil, status.Error(codes.Unimplemented, status.Convert(statusError(code)).Message())
	}
	if err := in.prepare(m); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// prepare makes the arguments of the runs. It takes the ports of the compiled model, because those of the model keep its graph.
func (in *Instance) prepare(m *Model) error {
	n, k := len(m.inputs), len(m.outputs)
	in.ports = unsafe.Slice((*C.shoal_ov_port)(C.calloc(C.size_t(n+k+1), C.sizeof_shoal_ov_port)), n+k)
	for i := range in.ports {
		output := i >= n
		var name string
		if output {
			name = m.Signature.Outputs[i-n].Name
		} else if name = m.Signature.Inputs[i].Name; m.inputs[i].port == nil {
			continue
		}
		cname := C.CString(name)
		code := C.shoal_ov_port_compiled(in.compiled, cbool(output), cname, &in.ports[i])
		C.free(unsafe.Pointer(cname))
		if code != 0 {
			return statusError(code)
		}
	}
	inputs := unsafe.SliceData(in.ports)
	outputs := (*C.shoal_ov_port)(unsafe.Add(unsafe.Pointer(inputs), uintptr(n)*C.sizeof_shoal_ov_port))
	if code := C.shoal_ov_call_new(in.compiled, inputs, C.int(n), outputs, C.int(k), &in.call); code != 0 {
		in.call = nil
		return statusError(code)
	}
	return nil
}

// Close frees the instance. Results that are still held keep their memory.
func (in *Instance) Close() {
	in.results.close()
	if in.call != nil {
		C.shoal_ov_call_delete(in.call)
	}
	for i := range in.ports {
		C.shoal_ov_port_free(in.ports[i].port)
	}
	C.free(unsafe.Pointer(unsafe.SliceData(in.ports)))
	C.shoal_ov_compiled_free(in.compiled)
	in.call = nil
}

// Run gathers the batch into the tensors that OpenVINO reads and runs it. The outputs lie where OpenVINO wrote them until the result
// is freed. Errors are gRPC status errors.
func (in *Instance) Run(b *tensor.Batch) (*tensor.Result, error) {
	if !in.guard.fits(b.Shapes) {
		return nil, ErrOutside
	}
	if err := in.gather(b); err != nil {
		return nil, err
	}
	if !in.guard.admits(in) {
		return nil, ErrOutside
	}
	out := in.results.take()
	if out == nil {
		if out = C.shoal_ov_outputs_new(in.call); out == nil {
			return nil, status.Errorf(codes.ResourceExhausted, "signature %q: no memory for the outputs", in.sig.Name)
		}
	}
	code := C.shoal_ov_run(in.call, out, cbool(!b.Unmetered))
	in.shrink()
	if code != 0 {
		err := statusError(code)
		C.shoal_ov_outputs_delete(out)
		return nil, err
	}
	r := in.result(out)
	if !in.guard.passes(r) {
		r.Free()
		return nil, ErrOutside
	}
	return r, nil
}

// gather shapes the input tensors and fills them.
func (in *Instance) gather(b *tensor.Batch) error {
	in.ranks, in.dims = in.ranks[:0], in.dims[:0]
	for i, shape := range b.Shapes {
		n, ok := shape.Elements()
		if size := int64(b.Parts[0][i].DType.Size()); !ok || size == 0 || len(shape) > C.SHOAL_OV_RANK || n > math.MaxInt64/size {
			return status.Errorf(codes.InvalidArgument, "input %q: a tensor of type %v and shape %v is too large, or has more than %d dimensions", in.sig.Inputs[i].Name, b.Parts[0][i].DType, shape, C.SHOAL_OV_RANK)
		}
		in.ranks = append(in.ranks, C.int(len(shape)))
		in.dims = append(in.dims, shape...)
	}
	in.dims = append(in.dims, 0) // it has an address when every input is a scalar
	if len(in.ranks) == 0 {
		return nil
	}
	if code := C.shoal_ov_inputs(in.call, unsafe.SliceData(in.ranks), (*C.int64_t)(unsafe.SliceData(in.dims))); code != 0 {
		return statusError(code)
	}
	data := unsafe.Slice(in.call.input_data, len(b.Shapes))
	sizes := unsafe.Slice(in.call.input_bytes, len(b.Shapes))
	for i := range b.Shapes {
		if data[i] != nil {
			b.Gather(i, unsafe.Slice((*byte)(data[i]), int(sizes[i])))
		}
	}
	return nil
}

// shrink gives the memory of large inputs back.
func (in *Instance) shrink() {
	for i, n := range unsafe.Slice(in.call.input_bytes, int(in.call.n_inputs)) {
		if n > keepBytes {
			C.shoal_ov_input_drop(in.call, C.int(i))
		}
	}
}

// result wraps the outputs of the last run.
func (in *Instance) result(out *C.shoal_ov_outputs) *tensor.Result {
	infos := unsafe.Slice(in.call.output_info, len(in.sig.Outputs))
	r := &tensor.Result{Outputs: make([]tensor.Tensor, len(infos)), CPU: time.Duration(in.call.cpu_nanos)}
	size := 0
	for i := range infos {
		info, t := &infos[i], &r.Outputs[i]
		t.DType = in.sig.Outputs[i].DType
		t.Shape = make(tensor.Shape, int(info.rank))
		for d := range t.Shape {
			t.Shape[d] = int64(info.dims[d])
		}
		if info.bytes > 0 {
			t.Data = unsafe.Slice((*byte)(info.data), int(info.bytes))
		}
		size += int(info.bytes)
	}
	free := in.results
	r.Release = func() { free.put(out, size) }
	return r
}

// results are output tensors that no run writes to and nobody reads. Whoever frees a result puts its tensors back, from any
// goroutine.
type results struct {
	mu     sync.Mutex
	idle   []*C.shoal_ov_outputs
	closed bool
}

// keptResults is how many may be idle: a batch is encoded while the next ones run.
const keptResults = 4

func (r *results) take() *C.shoal_ov_outputs {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.idle) == 0 {
		return nil
	}
	out := r.idle[len(r.idle)-1]
	r.idle = r.idle[:len(r.idle)-1]
	return out
}

func (r *results) put(out *C.shoal_ov_outputs, size int) {
	r.mu.Lock()
	keep := !r.closed && size <= keepBytes && len(r.idle) < keptResults
	if keep {
		r.idle = append(r.idle, out)
	}
	r.mu.Unlock()
	if !keep {
		C.shoal_ov_outputs_delete(out)
	}
}

func (r *results) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, out := range r.idle {
		C.shoal_ov_outputs_delete(out)
	}
	r.idle = nil
}
