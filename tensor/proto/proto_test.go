package proto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	"github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

func message(d tensor.DType, shape ...int64) *tensor_go_proto.TensorProto {
	s := &tensor_shape_go_proto.TensorShapeProto{}
	for _, n := range shape {
		s.Dim = append(s.Dim, &tensor_shape_go_proto.TensorShapeProto_Dim{Size: n, Name: "d"})
	}
	return &tensor_go_proto.TensorProto{Dtype: types_go_proto.DataType(d), TensorShape: s}
}

func decode(m *tensor_go_proto.TensorProto) (tensor.Tensor, error) {
	d := Decoder{Arena: tensor.NewArena(), Left: 1 << 20}
	return d.Message(m)
}

// set gives m the elements 1, 2, … n in the field of its type, and returns them as memory has them.
func set(m *tensor_go_proto.TensorProto, n int) (data []byte) {
	le := binary.LittleEndian
	for i := 1; i <= n; i++ {
		switch d := tensor.DType(m.Dtype); d {
		case tensor.Float32:
			m.FloatVal = append(m.FloatVal, float32(i))
			data = le.AppendUint32(data, math.Float32bits(float32(i)))
		case tensor.Float64:
			m.DoubleVal = append(m.DoubleVal, float64(i))
			data = le.AppendUint64(data, math.Float64bits(float64(i)))
		case tensor.Complex64:
			m.ScomplexVal = append(m.ScomplexVal, float32(i), 0)
			data = le.AppendUint64(data, uint64(math.Float32bits(float32(i))))
		case tensor.Complex128:
			m.DcomplexVal = append(m.DcomplexVal, float64(i), 0)
			data = append(le.AppendUint64(data, math.Float64bits(float64(i))), make([]byte, 8)...)
		case tensor.Int8, tensor.Uint8:
			m.IntVal = append(m.IntVal, int32(i%128))
			data = append(data, byte(i%128))
		case tensor.Int16, tensor.Uint16:
			m.IntVal = append(m.IntVal, int32(i))
			data = le.AppendUint16(data, uint16(i))
		case tensor.Int32:
			m.IntVal = append(m.IntVal, int32(-i))
			data = le.AppendUint32(data, uint32(-i))
		case tensor.Uint32:
			m.Uint32Val = append(m.Uint32Val, uint32(i))
			data = le.AppendUint32(data, uint32(i))
		case tensor.Int64:
			m.Int64Val = append(m.Int64Val, int64(-i))
			data = le.AppendUint64(data, uint64(-i))
		case tensor.Uint64:
			m.Uint64Val = append(m.Uint64Val, uint64(i)<<40)
			data = le.AppendUint64(data, uint64(i)<<40)
		case tensor.Bool:
			m.BoolVal = append(m.BoolVal, i%3 > 0)
			data = append(data, map[bool]byte{true: 1}[i%3 > 0])
		case tensor.Float16, tensor.BFloat16:
			m.HalfVal = append(m.HalfVal, int32(i))
			data = le.AppendUint16(data, uint16(i))
		}
	}
	return data
}

var numeric = []tensor.DType{tensor.Float32, tensor.Float64, tensor.Int32, tensor.Uint8, tensor.Int16, tensor.Int8,
	tensor.Complex64, tensor.Int64, tensor.Bool, tensor.BFloat16, tensor.Uint16, tensor.Complex128, tensor.Float16,
	tensor.Uint32, tensor.Uint64}

// Fewer values than elements: the last one stands for the rest; none: zeros; more: the first ones.
func TestFilling(t *testing.T) {
	for _, d := range numeric {
		for _, c := range []struct{ elements, values int }{{0, 0}, {0, 2}, {1, 0}, {1, 1}, {7, 0}, {7, 1}, {7, 3}, {7, 7}, {7, 9}, {1000, 999}, {1000, 300}} {
			m := message(d, int64(c.elements))
			want := set(m, c.values)
			size := d.Size()
			last := make([]byte, size)
			if c.values > 0 {
				last = want[len(want)-size:]
			}
			for len(want) < c.elements*size {
				want = append(want, last...)
			}
			got, err := decode(m)
			if err != nil || !bytes.Equal(got.Data, want[:c.elements*size]) {
				t.Errorf("%v %v: got %v, %v; want %v", d, c, got.Data, err, want)
			}
		}
	}
}

func TestStringFilling(t *testing.T) {
	for _, c := range []struct {
		elements     int64
		values, want []string
	}{
		{0, []string{"a"}, []string{}}, {1, nil, []string{""}}, {3, nil, []string{"", "", ""}}, {3, []string{"a", "b"}, []string{"a", "b", "b"}},
		{2, []string{"", "b", "c"}, []string{"", "b"}},
	} {
		m := message(tensor.String, c.elements)
		for _, v := range c.values {
			m.StringVal = append(m.StringVal, []byte(v))
		}
		got, err := decode(m)
		if err != nil || got.Check() != nil || !slices.EqualFunc(got.Strings, c.want, func(a []byte, b string) bool { return string(a) == b }) {
			t.Errorf("%v: got %q, %v", c, got.Strings, err)
		}
	}
}

func TestContentErrors(t *testing.T) {
	for name, c := range map[string]struct {
		d       tensor.DType
		n       int64
		content string
		ok      bool
	}{
		"short":                {tensor.Float32, 2, "1234567", false},
		"long":                 {tensor.Float32, 2, "123456789", false},
		"huge":                 {tensor.Float64, math.MaxInt64, "12345678", false},
		"no elements":          {tensor.Float32, 0, "1234", true},
		"strings":              {tensor.String, 2, "\x01\x02abb", true},
		"strings, short":       {tensor.String, 2, "\x01\x02ab", false},
		"strings, long":        {tensor.String, 2, "\x01\x02abbb", false},
		"strings, no lengths":  {tensor.String, 2, "\x00", false},
		"strings, long length": {tensor.String, 1, "\xff\xff\xff\xff\x7f", false},
		"strings, bad length":  {tensor.String, 1, "\xff", false},
	} {
		m := message(c.d, c.n)
		m.TensorContent = []byte(c.content)
		if _, err := decode(m); (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := message(tensor.Bool, 3)
	m.TensorContent = []byte{0, 1, 200}
	if got, err := decode(m); err != nil || !bytes.Equal(got.Data, []byte{0, 1, 1}) {
		t.Errorf("a bool must be 0 or 1: %v, %v", got.Data, err)
	}
}

// The memory of all tensors of a request together is limited, before it is taken.
func TestLimit(t *testing.T) {
	d := Decoder{Arena: tensor.NewArena(), Left: 100}
	defer d.Arena.Free()
	if _, err := d.Message(message(tensor.Float32, 20)); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*tensor_go_proto.TensorProto{message(tensor.Float32, 6), message(tensor.Complex128, math.MaxInt64), message(tensor.String, 1)} {
		_, err := d.Message(m)
		if tooLarge, ok := errors.AsType[*TooLargeError](err); !ok || tooLarge.Limit != 20 {
			t.Errorf("%v: got %v", m, err)
		}
	}
	if _, err := d.Message(message(tensor.Float32, 5)); err != nil {
		t.Error(err)
	}
	d.Left = 30
	text := message(tensor.String, 1)
	text.StringVal = [][]byte{[]byte("seven77")}
	if _, err := d.Message(text); err == nil {
		t.Error("24 bytes for the string and 7 of text are more than 30")
	}
	// A model has each string for itself, those too that a single one on the wire stands for.
	d.Left = 1000
	text.TensorShape.Dim[0].Size, text.StringVal = 20, [][]byte{bytes.Repeat([]byte("x"), 100)}
	if _, err := d.Message(text); err == nil {
		t.Error("20 strings of 100 bytes are more than 1000")
	}
}

// What is written is what the generated message says.
func TestEncode(t *testing.T) {
	for _, d := range append(numeric, tensor.String) {
		for _, shape := range [][]int64{{}, {1}, {0, 3}, {257, 3}} {
			n, _ := tensor.Shape(shape).Elements()
			typed, content := message(d, shape...), message(d, shape...)
			for _, m := range []*tensor_go_proto.TensorProto{typed, content} {
				for _, dim := range m.TensorShape.Dim {
					dim.Name = ""
				}
			}
			in := tensor.Tensor{DType: d, Shape: shape}
			if d == tensor.String {
				for i := range n {
					s := bytes.Repeat([]byte{byte(i)}, int(i))
					typed.StringVal = append(typed.StringVal, s)
					in.Strings = append(in.Strings, s)
					content.TensorContent = binary.AppendUvarint(content.TensorContent, uint64(i))
				}
				content.TensorContent = append(content.TensorContent, bytes.Join(in.Strings, nil)...)
			} else {
				in.Data = set(typed, int(n))
				content.TensorContent = in.Data
			}
			for i, want := range []*tensor_go_proto.TensorProto{typed, content} {
				m := Measure(&in, i == 1)
				wire := m.Append(nil)
				got := new(tensor_go_proto.TensorProto)
				if err := proto.Unmarshal(wire, got); err != nil || !proto.Equal(got, want) || len(wire) != m.Size {
					t.Errorf("%v %v: %d bytes, measured %d; %v\ngot  %v\nwant %v", d, shape, len(wire), m.Size, err, got, want)
				}
			}
		}
	}
}

// FuzzDecode: no input breaks the decoder, what it accepts the generated message accepts, and the tensor it gives is
// the same after it was written in either form and read again.

// An element that its type cannot hold is named, wherever it is: TensorFlow would drop its upper bits.
func TestOutOfRange(t *testing.T) {
	for d, limits := range ranges {
		m := message(d, 300)
		m.IntVal = make([]int32, 300)
		m.IntVal[0], m.IntVal[299] = limits[0], limits[1]
		if got, err := decode(m); err != nil || len(got.Data) != 300*d.Size() {
			t.Errorf("%v: %v", d, err)
		}
		for _, bad := range []int32{limits[0] - 1, limits[1] + 1, math.MinInt32, math.MaxInt32} {
			for _, at := range []int{0, 255, 256, 299} {
				m.IntVal = make([]int32, 300)
				m.IntVal[at] = bad
				_, err := decode(m)
				if got, ok := errors.AsType[*RangeError](err); !ok || *got != (RangeError{bad, d, at}) {
					t.Errorf("%v, %d at %d: %v", d, bad, at, err)
				}
			}
		}
	}
}
