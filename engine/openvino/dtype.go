package openvino

// #include "run.h"
import "C"

import "shoal/tensor"

// elementTypes are OpenVINO's numbers of the element types that a model may have here. It computes float64 as float32 and int64 as
// int32 on the CPU, which the caller has to allow for.
var elementTypes = map[tensor.DType]C.int{
	tensor.Bool: 1, tensor.BFloat16: 2, tensor.Float16: 3, tensor.Float32: 4, tensor.Float64: 5,
	tensor.Int8: 7, tensor.Int16: 8, tensor.Int32: 9, tensor.Int64: 10,
	tensor.Uint8: 16, tensor.Uint16: 17, tensor.Uint32: 18, tensor.Uint64: 19,
}

var dtypes = func() map[C.int]tensor.DType {
	m := make(map[C.int]tensor.DType, len(elementTypes))
	for d, n := range elementTypes {
		m[n] = d
	}
	return m
}()
