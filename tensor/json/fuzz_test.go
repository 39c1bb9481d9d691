package json

import (
	"bytes"
	encoding "encoding/json"
	"math"
	"strconv"
	"testing"

	"shoal/tensor"
)

// isNumber is JSON's grammar of numbers, as encoding/json has it.
func isNumber(s string) bool {
	var n encoding.Number
	d := encoding.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	return d.Decode(&n) == nil && n.String() == s
}

// tooBig reports whether RapidJSON's approximate check rejects the number.
func tooBig(s string) bool {
	_, _, f := scanNumber([]byte(s), 0)
	return f != nil && f.text == numberTooBig
}

func FuzzFloat32(f *testing.F) { fuzzFloat(f, tensor.Float32, 32) }

func FuzzFloat64(f *testing.F) { fuzzFloat(f, tensor.Float64, 64) }

// fuzzFloat holds both paths against strconv, bit by bit, and holds the printed number against its value.
func fuzzFloat(f *testing.F, dtype tensor.DType, size int) {
	for _, s := range hardDecimals {
		f.Add(s)
	}
	sig := identity(dtype)
	f.Fuzz(func(t *testing.T, s string) {
		if !isNumber(s) || tooBig(s) {
			t.Skip()
		}
		want, _ := strconv.ParseFloat(s, size)
		body := []byte(`{"inputs":[` + s + `,1.25,` + s + `]` + string(bytes.Repeat([]byte(" "), window)) + `}`)
		arena := tensor.NewArena()
		defer arena.Free()
		fast, exact, err := both(body, sig, arena)
		if err != nil || fast == nil {
			t.Fatalf("%s: %v %v", s, fast, err)
		}
		agree(t, body, fast, exact)
		var got float64
		var printed []byte
		if size == 32 {
			v := elementsOf[float32](fast.Inputs[0].Data)
			got, printed = float64(v[2]), AppendFloat32(nil, v[2])
		} else {
			v := elementsOf[float64](fast.Inputs[0].Data)
			got, printed = v[2], AppendFloat64(nil, v[2])
		}
		if math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%s is %v, want %v", s, got, want)
		}
		back, err := strconv.ParseFloat(string(printed), size)
		if math.Float64bits(back) != math.Float64bits(want) || err != nil {
			t.Fatalf("%v printed as %s", want, printed)
		}
	})
}

func FuzzInt(f *testing.F) {
	for _, s := range []string{"0", "-0", "127", "128", "-128", "-129", "255", "65536", "2147483648", "-2147483648", "9223372036854775807",
		"-9223372036854775808", "9223372036854775808", "18446744073709551615", "18446744073709551616", "1.0", "1e2", "01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !isNumber(s) {
			t.Skip()
		}
		body := []byte(`{"inputs":[` + s + `]` + string(bytes.Repeat([]byte(" "), window)) + `}`)
		for _, d := range []tensor.DType{tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64, tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64} {
			arena := tensor.NewArena()
			req, err := DecodePredict(body, always(identity(d)), arena)
			bits := d.Size() * 8
			var want uint64
			var bad error
			if d == tensor.Uint8 || d == tensor.Uint16 || d == tensor.Uint32 || d == tensor.Uint64 {
				digits := s
				if s == "-0" {
					digits = "0"
				}
				want, bad = strconv.ParseUint(digits, 10, bits)
			} else {
				var v int64
				v, bad = strconv.ParseInt(s, 10, bits)
				want = uint64(v) & (math.MaxUint64 >> (64 - bits))
			}
			if (err == nil) != (bad == nil) {
				t.Fatalf("%s as %v: %v, want %v", s, d, err, bad)
			}
			if err == nil {
				var got [8]byte
				copy(got[:], req.Inputs[0].Data)
				if elementsOf[uint64](got[:])[0] != want {
					t.Fatalf("%s as %v is %v, want %#x", s, d, req.Inputs[0].Data, want)
				}
			}
			arena.Free()
		}
	})
}

func FuzzDecodePredict(f *testing.F) {
	for _, c := range loadRecorded(f) {
		f.Add([]byte(c.Body), uint8(len(c.Name)))
	}
	sigs := []*tensor.Signature{multiSignature}
	for _, d := range dtypeNames {
		sigs = append(sigs, identity(d))
	}
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		sig := sigs[0]
		if which%4 != 0 {
			d := []tensor.DType{tensor.Float32, tensor.Float64, tensor.Int32, tensor.Int64, tensor.Uint8, tensor.Bool, tensor.String, tensor.Float16}
			sig = identity(d[which/4%8])
		}
		arena := tensor.NewArena()
		defer arena.Free()
		fast, exact, err := both(body, sig, arena)
		if fast != nil {
			if err != nil {
				t.Fatalf("%q: the fast path took what the exact path rejects: %v", body, err)
			}
			agree(t, body, fast, exact)
		}
		if encoding.Valid(body) && len(bytes.TrimSpace(body)) > 0 {
			p := parser{body: body}
			if _, fault := p.value(0); fault != nil && fault.text != numberTooBig && fault.text != surrogateInvalid {
				t.Fatalf("%q: %s at %d", body, fault.text, fault.at)
			}
		}
		_, _ = DecodeExamples(body, "classify")
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("some bytes that become elements of every type"), uint8(2))
	f.Add([]byte{0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff, 0, 0, 0, 0x80, 1, 0, 0, 0, 0xff, 0xff, 0x7f, 0x7f}, uint8(1))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, columns uint8) {
		arena := tensor.NewArena()
		defer arena.Free()
		for _, d := range dtypeNames {
			if d == tensor.Complex64 {
				continue
			}
			in := tensorOf(d, data, arena)
			n := int64(in.Len())
			in.Shape = tensor.Shape{n}
			if c := int64(columns); c > 0 && n%c == 0 {
				in.Shape = tensor.Shape{n / c, c}
			}
			sig := identity(d)
			answer, err := AppendPredict(nil, Column, sig, []tensor.Tensor{in})
			if err != nil {
				t.Fatal(err)
			}
			body := append([]byte(`{"inputs"`), bytes.TrimPrefix(answer, []byte(`{"outputs"`))...)
			fast, exact, err := both(body, sig, arena)
			if err != nil || fast == nil {
				t.Fatalf("%s: %v %v", body, fast, err)
			}
			agree(t, body, fast, exact)
			if in.Shape[0] > 0 && !sameValues(&in, &fast.Inputs[0]) {
				t.Fatalf("%v\n%s\n%v", in, body, fast.Inputs[0])
			}
		}
	})
}

// tensorOf makes elements of the bytes.
func tensorOf(d tensor.DType, data []byte, a *tensor.Arena) tensor.Tensor {
	t := tensor.Tensor{DType: d}
	if d == tensor.String {
		t.Strings = bytes.SplitAfter(data, []byte(" "))
		return t
	}
	n := len(data) / d.Size() * d.Size()
	t.Data = a.Bytes(n)
	copy(t.Data, data)
	if d == tensor.Bool {
		for i := range t.Data {
			t.Data[i] &= 1
		}
	}
	return t
}

// sameValues compares bit by bit, but takes any NaN for another.
func sameValues(a, b *tensor.Tensor) bool {
	if !a.Shape.Equal(b.Shape) {
		return false
	}
	isNaN := func(v []byte, i int) bool {
		switch a.DType {
		case tensor.Float32:
			return math.IsNaN(float64(elementsOf[float32](v)[i]))
		case tensor.Float64:
			return math.IsNaN(elementsOf[float64](v)[i])
		case tensor.Float16:
			return math.IsNaN(float64(tensor.FromFloat16(elementsOf[uint16](v)[i])))
		case tensor.BFloat16:
			return math.IsNaN(float64(tensor.FromBFloat16(elementsOf[uint16](v)[i])))
		}
		return false
	}
	for i := range a.Len() {
		if a.DType == tensor.String {
			if !bytes.Equal(a.Strings[i], b.Strings[i]) {
				return false
			}
			continue
		}
		size := a.DType.Size()
		x, y := a.Data[i*size:(i+1)*size], b.Data[i*size:(i+1)*size]
		if !bytes.Equal(x, y) && (!isNaN(a.Data, i) || !isNaN(b.Data, i)) {
			return false
		}
	}
	return true
}
