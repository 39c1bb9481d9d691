package openvino

/*
#include <stdlib.h>
#include "run.h"
*/
import "C"

import (
	"unsafe"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine"
	"shoal/tensor"
)

// Model is a graph that OpenVINO has read. Instances are compiled of it.
type Model struct {
	Signature *tensor.Signature

	options Options
	model   *C.ov_model
	inputs  []C.shoal_ov_port // in the signature's order; one without a port is one that no output needs
	outputs []C.shoal_ov_port
}

// Options say how a model is compiled.
type Options struct {
	Precision string // f32, or bf16: less precise, and faster where the processor has it; empty: f32
	// Guarded has a run fail with ErrOutside that OpenVINO may treat otherwise than other engines: with shapes that the signature does
	// not declare, tensors without elements, floats that are not finite, in the inputs or the outputs, and integers outside Bounds.
	Guarded bool
	Bounds  map[string]engine.Bound // by the input's name
}

// Read reads the model in path: a directory with a SavedModel whose serving_default is the signature. Errors are gRPC status
// errors; UNIMPLEMENTED: OpenVINO cannot run it.
func Read(path string, sig *tensor.Signature, o Options) (_ *Model, err error) {
	if err := Open(); err != nil {
		return nil, err
	}
	if o.Precision == "" {
		o.Precision = "f32"
	}
	m := &Model{Signature: sig, options: o}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	if code := C.shoal_ov_read(cpath, &m.model); code != 0 {
		m.model = nil
		return nil, status.Error(codes.Unimplemented, status.Convert(statusError(code)).Message())
	}
	if m.inputs, err = m.ports(sig.Inputs, false); err != nil {
		return nil, err
	}
	m.outputs, err = m.ports(sig.Outputs, true)
	return m, err
}

// ports finds what the signature names. An input that no output needs may be missing in the model.
func (m *Model) ports(specs []tensor.Spec, output bool) ([]C.shoal_ov_port, error) {
	list := make([]C.shoal_ov_port, len(specs))
	for i, s := range specs {
		name := C.CString(s.Name)
		code := C.shoal_ov_port_named(m.model, cbool(output), name, &list[i])
		C.free(unsafe.Pointer(name))
		if code != 0 {
			return list, statusError(code)
		}
		switch got := dtypes[list[i]._type]; {
		case list[i].port == nil && output:
			return list, status.Errorf(codes.Unimplemented, "OpenVINO: the model has no output %q", s.Name)
		case list[i].port != nil && got != s.DType:
			return list, status.Errorf(codes.Unimplemented, "OpenVINO: %q has the type %v, and %v in the signature", s.Name, got, s.DType)
		}
	}
	return list, nil
}

// Close frees what was read. Instances do not need it.
func (m *Model) Close() {
	for _, ports := range [][]C.shoal_ov_port{m.inputs, m.outputs} {
		for i := range ports {
			C.shoal_ov_port_free(ports[i].port)
		}
	}
	m.inputs, m.outputs = nil, nil
	if m.model != nil {
		C.shoal_ov_model_free(m.model)
		m.model = nil
	}
}

func cbool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
