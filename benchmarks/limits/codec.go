// Package limits measures what this machine can do without Shoal: other JSON codecs, the least HTTP and gRPC servers, and the time in
// which a goroutine returns from C. Figures of Shoal are compared with them. It also starts servers as processes of their own.
package limits

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/bytedance/sonic"

	"shoal/tensor"
	tensorjson "shoal/tensor/json"
)

// Rows and Columns are the size of the matrix of floats that all of them read and write.
const Rows, Columns = 64, 128

// Sample is the matrix in every form. Shoal's own codec reads and writes it, and others do: encoding/json, bytedance/sonic, and
// from_chars and to_chars of C++.
type Sample struct {
	Values []float32
	Matrix [][]float32
	Tensor tensor.Tensor
	Body   []byte // {"instances":[[…],…]}, shortest digits
}

type document struct {
	Instances [][]float32 `json:"instances"`
}

// NewSample makes normally distributed values, the same each time.
func NewSample() *Sample {
	r := rand.New(rand.NewPCG(1, 2))
	s := &Sample{Tensor: tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{Rows, Columns}}}
	for range Rows {
		row := make([]float32, Columns)
		for i := range row {
			row[i] = float32(r.NormFloat64())
		}
		s.Matrix, s.Values = append(s.Matrix, row), append(s.Values, row...)
	}
	for _, v := range s.Values {
		s.Tensor.Data = binary.LittleEndian.AppendUint32(s.Tensor.Data, math.Float32bits(v))
	}
	s.Body, _ = json.Marshal(document{s.Matrix})
	return s
}

var signature = &tensor.Signature{
	Name:    "serving_default",
	Inputs:  []tensor.Spec{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{-1, Columns}}},
	Outputs: []tensor.Spec{{Name: "y", DType: tensor.Float32, Shape: tensor.Shape{-1, Columns}}},
}

func resolve(string) (*tensor.Signature, error) { return signature, nil }

// Decoders read the sample's body.
func (s *Sample) Decoders() map[string]func() error {
	return map[string]func() error{
		"shoal": func() error {
			a := tensor.NewArena()
			defer a.Free()
			req, err := tensorjson.DecodePredict(s.Body, resolve, a)
			if err == nil && req.Inputs[0].Len() != len(s.Values) {
				err = fmt.Errorf("%d values", req.Inputs[0].Len())
			}
			return err
		},
		"encoding/json": func() error { var d document; return json.Unmarshal(s.Body, &d) },
		"sonic":         func() error { var d document; return sonic.Unmarshal(s.Body, &d) },
	}
}

// Encoders write the sample.
func (s *Sample) Encoders() map[string]func() error {
	var buf []byte
	outputs := []tensor.Tensor{s.Tensor}
	return map[string]func() error{
		"shoal": func() (err error) {
			buf, err = tensorjson.AppendPredict(buf[:0], tensorjson.Row, signature, outputs)
			return err
		},
		"encoding/json": func() error { _, err := json.Marshal(s.Matrix); return err },
		"sonic":         func() error { _, err := sonic.Marshal(s.Matrix); return err },
	}
}
