package tensor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func int32s(shape Shape, v ...int32) Tensor {
	t := Tensor{DType: Int32, Shape: shape}
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, uint32(x))
	}
	return t
}

func gathered(b *Batch) []int32 {
	n, _ := b.Shapes[0].Elements()
	dst := make([]byte, n*4)
	for i := range dst {
		dst[i] = 0xEE // memory comes uninitialised
	}
	b.Gather(0, dst)
	var out []int32
	for i := 0; i < len(dst); i += 4 {
		out = append(out, int32(binary.LittleEndian.Uint32(dst[i:])))
	}
	return out
}

func TestGather(t *testing.T) {
	for _, c := range []struct {
		name  string
		batch Batch
		want  []int32
	}{
		{"as it is", Batch{Parts: [][]Tensor{{int32s(Shape{}, 7)}}, Shapes: []Shape{{}}}, []int32{7}},
		{"joined", Batch{Parts: [][]Tensor{{int32s(Shape{1, 2}, 1, 2)}, {int32s(Shape{2, 2}, 3, 4, 5, 6)}}, Rows: 3, Size: 3, Shapes: []Shape{{3, 2}}}, []int32{1, 2, 3, 4, 5, 6}},
		{"filled up with the first row of the last part", Batch{Parts: [][]Tensor{{int32s(Shape{1, 2}, 1, 2)}, {int32s(Shape{2, 2}, 3, 4, 5, 6)}}, Rows: 3, Size: 5, Shapes: []Shape{{5, 2}}},
			[]int32{1, 2, 3, 4, 5, 6, 3, 4, 3, 4}},
		{"padded with the own first element", Batch{Parts: [][]Tensor{{int32s(Shape{1, 3}, 1, 2, 3)}, {int32s(Shape{2, 1}, 8, 9)}}, Rows: 3, Size: 4, Shapes: []Shape{{4, 3}}},
			[]int32{1, 2, 3, 8, 8, 8, 9, 8, 8, 8, 8, 8}},
		{"padded in two dimensions", Batch{Parts: [][]Tensor{{int32s(Shape{1, 1, 2}, 1, 2)}, {int32s(Shape{1, 2, 1}, 0, 5)}}, Rows: 2, Size: 2, Shapes: []Shape{{2, 2, 2}}},
			[]int32{1, 2, 1, 1, 0, 0, 5, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := gathered(&c.batch); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			// Strings follow the same rules.
			text := c.batch
			text.Parts = nil
			for _, p := range c.batch.Parts {
				s := Tensor{DType: String, Shape: p[0].Shape}
				for i := 0; i < len(p[0].Data); i += 4 {
					s.Strings = append(s.Strings, fmt.Append(nil, int32(binary.LittleEndian.Uint32(p[0].Data[i:]))))
				}
				text.Parts = append(text.Parts, []Tensor{s})
			}
			var got []string
			text.GatherStrings(0, func(i int, s []byte) {
				if i != len(got) {
					t.Errorf("element %d put at %d", len(got), i)
				}
				got = append(got, string(s))
			})
			if want := fmt.Sprint(c.want); fmt.Sprint(got) != want {
				t.Errorf("strings: got %v, want %v", got, want)
			}
		})
	}
}

// TestGatherPaddedRandom compares with the definition, element by element.
func TestGatherPaddedRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rank := 1 + r.IntN(4)
		shape, full := Shape{1 + r.Int64N(3)}, Shape{0}
		full[0] = shape[0]
		for range rank {
			d := 1 + r.Int64N(3)
			shape, full = append(shape, d), append(full, d+r.Int64N(3))
		}
		n, _ := shape.Elements()
		v := make([]int32, n)
		for i := range v {
			v[i] = int32(r.Uint32())
		}
		b := &Batch{Parts: [][]Tensor{{int32s(shape, v...)}}, Rows: int(shape[0]), Size: int(shape[0]), Shapes: []Shape{full}}
		got := gathered(b)
		total, _ := full.Elements()
		for at := range total {
			src, rest, inside, stride := int64(0), at, true, int64(1)
			for d := len(full) - 1; d >= 0; d-- {
				x := rest % full[d]
				rest /= full[d]
				inside = inside && x < shape[d]
				src += x * stride
				stride *= shape[d]
			}
			want := v[0]
			if inside {
				want = v[src]
			}
			if got[at] != want {
				t.Fatalf("%v into %v: element %d is %d, want %d", shape, full, at, got[at], want)
			}
		}
	}
}

// BenchmarkGather is the copy of 64 requests of one row of 128 floats, and of 64 large ones; compare with BenchmarkMemcpy.
// written is memory of its own: what was never written to is one page of zeros for all of it, which is read at another speed.
func written(n int64) []byte { return bytes.Repeat([]byte{7}, int(n)) }

func BenchmarkGather(b *testing.B) {
	for _, row := range []int64{128, 150528} {
		b.Run(fmt.Sprint(row), func(b *testing.B) {
			batch := &Batch{Rows: 64, Size: 64, Shapes: []Shape{{64, row}}}
			for range 64 {
				batch.Parts = append(batch.Parts, []Tensor{{DType: Float32, Shape: Shape{1, row}, Data: written(4 * row)}})
			}
			dst := make([]byte, 64*4*row)
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				batch.Gather(0, dst)
			}
		})
	}
}

// BenchmarkMemcpy copies the same bytes from one place.
func BenchmarkMemcpy(b *testing.B) {
	for _, row := range []int64{128, 150528} {
		b.Run(fmt.Sprint(row), func(b *testing.B) {
			src, dst := written(64*4*row), make([]byte, 64*4*row)
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				copy(dst, src)
			}
		})
	}
}
