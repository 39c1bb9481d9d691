package json

import (
	"bytes"
	encoding "encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"shoal/tensor"
)

// matrix is a row request of 64 rows of 128 elements that value makes.
func matrix(rows, columns int, separator string, value func(r *rand.Rand) string) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString(`{"instances":[`)
	for i := range rows {
		for j := range columns {
			switch {
			case i > 0 && j == 0:
				b.WriteString("]" + separator + "[")
			case j == 0:
				b.WriteString("[")
			default:
				b.WriteString(separator)
			}
			b.WriteString(value(r))
		}
	}
	b.WriteString("]]}")
	return b.Bytes()
}

func shortest(r *rand.Rand) string { return strconv.FormatFloat(r.NormFloat64(), 'g', -1, 32) }

func digits17(r *rand.Rand) string { return strconv.FormatFloat(r.NormFloat64(), 'g', 17, 64) }

func byteValue(r *rand.Rand) string { return strconv.Itoa(r.IntN(256)) }

var benchmarks = []struct {
	name  string
	dtype tensor.DType
	body  []byte
}{
	{"float32/shortest", tensor.Float32, matrix(64, 128, ",", shortest)},
	{"float32/shortest-spaced", tensor.Float32, matrix(64, 128, ", ", shortest)},
	{"float32/17-digits", tensor.Float32, matrix(64, 128, ",", digits17)},
	{"float32/0.xxx", tensor.Float32, matrix(64, 128, ",", func(r *rand.Rand) string { return fmt.Sprintf("%.3f", r.Float64()) })},
	{"float32/bytes", tensor.Float32, matrix(64, 128, ",", byteValue)},
	{"float32/one-row", tensor.Float32, matrix(1, 128, ",", shortest)},
	{"float32/pixels", tensor.Float32, matrix(2048, 3, ",", func(r *rand.Rand) string { return strconv.FormatFloat(float64(r.IntN(256))/255, 'g', -1, 32) })},
	{"float64/17-digits", tensor.Float64, matrix(64, 128, ",", digits17)},
	{"int32/bytes", tensor.Int32, matrix(64, 128, ",", byteValue)},
	{"int64/19-digits", tensor.Int64, matrix(64, 128, ",", func(r *rand.Rand) string { return strconv.FormatInt(int64(r.Uint64()), 10) })},
	{"string/words", tensor.String, matrix(64, 128, ",", func(r *rand.Rand) string { return `"some words of a sentence ` + byteValue(r) + `"` })},
	{"string/base64", tensor.String, matrix(64, 1, ",", func(r *rand.Rand) string {
		return `{"b64":"` + string(bytes.Repeat([]byte("QUJDREVG"), 200)) + `"}`
	})},
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range benchmarks {
		b.Run(c.name, func(b *testing.B) {
			sig := identity(c.dtype)
			resolve := func(string) (*tensor.Signature, error) { return sig, nil }
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				arena := tensor.NewArena()
				if _, err := DecodePredict(c.body, resolve, arena); err != nil {
					b.Fatal(err)
				}
				arena.Free()
			}
		})
	}
}

// BenchmarkDecodeExact is the exact path on the same bodies.
func BenchmarkDecodeExact(b *testing.B) {
	for _, c := range benchmarks {
		b.Run(c.name, func(b *testing.B) {
			sig := identity(c.dtype)
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				arena := tensor.NewArena()
				l := lookup{resolve: func(string) (*tensor.Signature, error) { return sig, nil }}
				if _, err := decodeExact(c.body, &l, arena); err != nil {
					b.Fatal(err)
				}
				arena.Free()
			}
		})
	}
}

// BenchmarkDecodeStandard is encoding/json into [][]float32, for comparison.
func BenchmarkDecodeStandard(b *testing.B) {
	for _, c := range benchmarks {
		if c.dtype != tensor.Float32 {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				var v struct{ Instances [][]float32 }
				if err := encoding.Unmarshal(c.body, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, c := range benchmarks {
		b.Run(c.name, func(b *testing.B) {
			sig := identity(c.dtype)
			arena := tensor.NewArena()
			defer arena.Free()
			req, err := DecodePredict(c.body, func(string) (*tensor.Signature, error) { return sig, nil }, arena)
			if err != nil {
				b.Fatal(err)
			}
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				if dst, err = AppendPredict(dst[:0], Row, sig, req.Inputs); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}

// BenchmarkEncodeStandard is encoding/json from [][]float32, for comparison.
func BenchmarkEncodeStandard(b *testing.B) {
	for _, c := range benchmarks {
		if c.dtype != tensor.Float32 {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			var v struct{ Instances [][]float32 }
			if err := encoding.Unmarshal(c.body, &v); err != nil {
				b.Fatal(err)
			}
			var out []byte
			for b.Loop() {
				out, _ = encoding.Marshal(v)
			}
			b.SetBytes(int64(len(out)))
		})
	}
}
