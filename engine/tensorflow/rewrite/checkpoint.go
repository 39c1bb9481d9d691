package rewrite

import (
	"strconv"
	"strings"
)

// Key names a tensor of the checkpoint as a RestoreV2 op does.
type Key struct {
	Name  string
	Slice string // a part of a partitioned variable, "8 6 0,3:0,6"; empty: the whole
	DType int32  // TensorFlow's DataType

	validateShape bool // of the Assign that a reference variable is restored by
}

// Checkpoint knows the tensors of the model's checkpoint.
type Checkpoint interface {
	// Describe says the element type and dimensions of a tensor, and whether it is there.
	Describe(name string) (dtype int32, dims []int64, ok bool)
}

// Constant is a value that a rewritten graph needs: Tensor is in the graph, complete but for its content, which is the
// checkpoint's value of Key in TensorFlow's own (little-endian) layout.
type Constant struct {
	Key    Key
	Bytes  int64
	Tensor *tensorProto
}

// sliceElements is the number of elements of a slice specification, "shape slice": the shape's sizes by spaces, then
// "start,length" or "-" for each dimension. -1: it is not understood.
func sliceElements(spec string) int64 {
	at := strings.LastIndexByte(spec, ' ')
	if at < 0 {
		return -1
	}
	sizes, parts := strings.Fields(spec[:at]), strings.Split(spec[at+1:], ":")
	if len(sizes) != len(parts) {
		return -1
	}
	n := int64(1)
	for i, part := range parts {
		length := sizes[i]
		if part != "-" {
			_, length, _ = strings.Cut(part, ",")
		}
		d, err := strconv.ParseInt(length, 10, 32)
		if err != nil || d < 0 {
			return -1
		}
		n *= d
	}
	return n
}
