package oip

import "shoal/tensor"

// datatypes are the protocol's names of element types.
var datatypes = map[tensor.DType]string{
	tensor.Bool: "BOOL", tensor.Uint8: "UINT8", tensor.Uint16: "UINT16", tensor.Uint32: "UINT32", tensor.Uint64: "UINT64",
	tensor.Int8: "INT8", tensor.Int16: "INT16", tensor.Int32: "INT32", tensor.Int64: "INT64",
	tensor.Float16: "FP16", tensor.Float32: "FP32", tensor.Float64: "FP64", tensor.BFloat16: "BF16", tensor.String: "BYTES",
}

// byName is the other way round.
var byName = make(map[string]tensor.DType)

func init() {
	for d, name := range datatypes {
		byName[name] = d
	}
}

// Datatype is the protocol's name of an element type; "" if it has none, as for complex numbers.
func Datatype(d tensor.DType) string { return datatypes[d] }

// DType is the element type of a name; false if there is no such name.
func DType(name string) (tensor.DType, bool) {
	d, ok := byName[name]
	return d, ok
}

// configType is the name that a model configuration has for an element type: TYPE_FP32; strings are TYPE_STRING there.
func configType(d tensor.DType) string {
	if d == tensor.String {
		return "TYPE_STRING"
	}
	return "TYPE_" + datatypes[d]
}
