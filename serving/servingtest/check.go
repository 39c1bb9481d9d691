package servingtest

import (
	"encoding/binary"
	"math"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// WantStatus checks an error's code and its whole text.
func WantStatus(t testing.TB, err error, code codes.Code, text string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != code || s.Message() != text {
		t.Errorf("got  %v %q\nwant %v %q", s.Code(), s.Message(), code, text)
	}
}

// Floats is a tensor of these values.
func Floats(shape tensor.Shape, values ...float32) tensor.Tensor {
	t := tensor.Tensor{DType: tensor.Float32, Shape: shape}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

// Values are the elements of a tensor of floats.
func Values(t tensor.Tensor) []float32 {
	values := make([]float32, t.Len())
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return values
}
