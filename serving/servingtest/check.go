package servingtest

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
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

// WriteFiles makes files (a name that ends in "/" is a directory) under dir.
func WriteFiles(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		full := filepath.Join(dir, name)
		parent := filepath.Dir(full)
		if name[len(name)-1] == '/' {
			parent = full
		}
		if err := os.MkdirAll(parent, 0o755); err != nil {
			t.Fatal(err)
		}
		if parent == full {
			continue
		}
		if err := os.WriteFile(full, []byte("content of "+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
