package json

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

func always(sig *tensor.Signature) Resolve {
	return func(string) (*tensor.Signature, error) { return sig, nil }
}

// decodeFast is the fast path alone; nil where it gave up.
func decodeFast(body []byte, resolve Resolve, a *tensor.Arena) *PredictRequest {
	f := newFast(body, resolve, a)
	defer f.release()
	return f.decode()
}

// both decodes a body on either path; the fast one may give up.
func both(body []byte, sig *tensor.Signature, a *tensor.Arena) (fast, exact *PredictRequest, err error) {
	fast = decodeFast(body, always(sig), a)
	exact, err = decodeExact(body, &lookup{resolve: always(sig)}, a)
	return fast, exact, err
}

func equalTensor(a, b *tensor.Tensor) bool {
	if a.DType != b.DType || !a.Shape.Equal(b.Shape) || !bytes.Equal(a.Data, b.Data) || len(a.Strings) != len(b.Strings) {
		return false
	}
	for i := range a.Strings {
		if !bytes.Equal(a.Strings[i], b.Strings[i]) {
			return false
		}
	}
	return true
}

// agree fails the test unless both paths gave the same request.
func agree(t testing.TB, body []byte, fast, exact *PredictRequest) {
	t.Helper()
	if fast.Format != exact.Format || len(fast.Inputs) != len(exact.Inputs) {
		t.Fatalf("%q: the paths differ: %v %v", body, fast, exact)
	}
	for i := range exact.Inputs {
		if !equalTensor(&fast.Inputs[i], &exact.Inputs[i]) {
			t.Fatalf("%q: input %d\nfast  %+v\nexact %+v", body, i, fast.Inputs[i], exact.Inputs[i])
		}
		if err := exact.Inputs[i].Check(); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
	}
}

// TestFastPath lists what the fast path must take by itself.
func TestFastPath(t *testing.T) {
	long := strings.Repeat("1.5, -2 ,\n3e2,", 200) + "4"
	for _, c := range []struct {
		sig  *tensor.Signature
		body string
	}{
		{identity(tensor.Float32), `{"instances":[1,2.5,-3e-2]}`},
		{identity(tensor.Float32), `{"instances":[[` + long + `],[` + long + `]]}`},
		{identity(tensor.Float32), "\xef\xbb\xbf \n{ \"instances\" : [ [ [ 1 , 2 ] ] , [ [ NaN , -Infinity ] ] ] } trailing"},
		{identity(tensor.Float32), `{"inputs":2.5}`},
		{identity(tensor.Float32), `{"inputs":[]}`},
		{identity(tensor.Float32), `{"inputs":[[],[]]}`},
		{identity(tensor.Float64), `{"inputs":{"x":[[` + long + `]],"extra":{"deep":[1,"two",null]}}}`},
		{identity(tensor.Float16), `{"inputs":[0.1,65504,1e-8,NaN]}`},
		{identity(tensor.Int8), `{"inputs":[-128,127,-0]}`},
		{identity(tensor.Uint64), `{"inputs":[18446744073709551615,0]}`},
		{identity(tensor.Bool), `{"instances":[[true,false],[false,true]]}`},
		{identity(tensor.String), `{"instances":["a","\u00e9\n\ud83d\ude00",{"b64":"aGk="}, { "b64" : "aGk" } ]}`},
		{identity(tensor.String), `{"inputs":{"b64":"aGk="}}`},
		{identity(tensor.Float32), `{"signature_name":"float32","id":"abc","instances":[{"x":[1,2]},{"x":[3,4]}],"more":[]}`},
		{multiSignature, `{"instances":[{"a":[1,2],"b":7,"s":"hi"},{"s":{"b64":"aGk="},"a":[3.5,-4],"b":-1}]}`},
		{multiSignature, `{"inputs":{"s":["x","y"],"a":[[1,2],[3,4]],"b":[1,2]}}`},
	} {
		arena := tensor.NewArena()
		fast, exact, err := both([]byte(c.body), c.sig, arena)
		if err != nil {
			t.Fatalf("%s: %v", c.body, err)
		}
		if fast == nil {
			t.Fatalf("the fast path gave up on %s", c.body)
		}
		agree(t, []byte(c.body), fast, exact)
		arena.Free()
	}
}

// TestSignatureNameBehind has the name of the signature behind the values that it types.
func TestSignatureNameBehind(t *testing.T) {
	for _, def := range []error{nil, errors.New("no default")} {
		asked := map[string]int{}
		arena := tensor.NewArena()
		req, err := DecodePredict([]byte(`{"instances":[1,2],"signature_name":"int64"}`), func(name string) (*tensor.Signature, error) {
			asked[name]++
			if name == "int64" {
				return identity(tensor.Int64), nil
			}
			return identity(tensor.Float32), def
		}, arena)
		if err != nil || req.Inputs[0].DType != tensor.Int64 || elementsOf[int64](req.Inputs[0].Data)[1] != 2 {
			t.Fatalf("%v %v", req, err)
		}
		if asked["int64"] != 1 || asked[""] > 1 {
			t.Fatalf("asked %v", asked)
		}
		arena.Free()
	}
}

func TestResolveComesBetweenSyntaxAndStructure(t *testing.T) {
	missing := status.Error(codes.NotFound, "Servable not found for request: Latest(nope)")
	for body, want := range map[string]codes.Code{
		`{"instances":[1]}`: codes.NotFound, `{"nothing":1}`: codes.NotFound, `{"instances":[1}`: codes.InvalidArgument,
		`{"signature_name":3}`: codes.InvalidArgument, `[1]`: codes.InvalidArgument, ``: codes.InvalidArgument,
	} {
		_, err := DecodePredict([]byte(body), func(string) (*tensor.Signature, error) { return nil, missing }, tensor.NewArena())
		if status.Code(err) != want {
			t.Errorf("%s: %v, want %v", body, err, want)
		}
	}
	_, err := DecodePredict([]byte(`{"inputs":1}`), always(&tensor.Signature{}), tensor.NewArena())
	if got := status.Convert(err).Message(); got != "Failed to get input map for signature: DEFAULT" {
		t.Error(got)
	}
}

// TestNothingRefersToTheBody overwrites the body after decoding.
func TestNothingRefersToTheBody(t *testing.T) {
	body := []byte(`{"instances":["first","sec\u006fnd",{"b64":"dGhpcmQ="}]}`)
	arena := tensor.NewArena()
	defer arena.Free()
	fast, exact, err := both(body, identity(tensor.String), arena)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	for _, req := range []*PredictRequest{fast, exact} {
		if got := fmt.Sprintf("%s", req.Inputs[0].Strings); got != "[first second third]" {
			t.Error(got)
		}
	}
}

func TestHostileBodies(t *testing.T) {
	const n = 1 << 20
	for name, body := range map[string]string{
		"open lists":     `{"instances":` + strings.Repeat("[", n),
		"nested lists":   `{"inputs":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`,
		"nested rows":    `{"instances":[` + strings.Repeat("[", n) + strings.Repeat("]", n) + `]}`,
		"nested unknown": `{"k":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `,"inputs":1}`,
		"nested objects": strings.Repeat(`{"inputs":`, n) + "1" + strings.Repeat("}", n),
		"empty lists":    `{"inputs":[` + strings.Repeat("[],", n) + `[1]]}`,
		"long number":    `{"inputs":` + strings.Repeat("9", n) + `}`,
		"long fraction":  `{"inputs":0.` + strings.Repeat("3", n) + `}`,
		"long string":    `{"inputs":"` + strings.Repeat(`\u0000`, n) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			got := testing.AllocsPerRun(1, func() {
				arena := tensor.NewArena()
				defer arena.Free()
				_, _ = DecodePredict([]byte(body), always(identity(tensor.Float32)), arena)
			})
			if got > 200 {
				t.Errorf("%v allocations", got)
			}
		})
	}
}

func TestRankLimit(t *testing.T) {
	for rank, ok := range map[int]bool{254: true, 255: false} {
		body := `{"inputs":` + strings.Repeat("[", rank) + "1" + strings.Repeat("]", rank) + `}`
		arena := tensor.NewArena()
		_, err := DecodePredict([]byte(body), always(identity(tensor.Float32)), arena)
		if (err == nil) != ok {
			t.Errorf("rank %d: %v", rank, err)
		}
		arena.Free()
	}
}

// TestAllocations checks that the number of allocations does not grow with the tensor.
func TestAllocations(t *testing.T) {
	for _, rows := range []int{1, 64} {
		body := matrix(rows, 128, ",", shortest)
		sig := identity(tensor.Float32)
		resolve := always(sig)
		var dst []byte
		got := testing.AllocsPerRun(50, func() {
			arena := tensor.NewArena()
			req, err := DecodePredict(body, resolve, arena)
			if err != nil {
				t.Fatal(err)
			}
			if dst, err = AppendPredict(dst[:0], req.Format, sig, req.Inputs); err != nil {
				t.Fatal(err)
			}
			arena.Free()
		})
		if got > 12 {
			t.Errorf("%d rows: %v allocations", rows, got)
		}
	}
}

func TestHalves(t *testing.T) {
	for v, want := range map[float64][2]uint16{ // float16, bfloat16
		0: {0, 0}, 1: {0x3c00, 0x3f80}, -2: {0xc000, 0xc000}, 65504: {0x7bff, 0x4780}, 65519.99: {0x7bff, 0x4780}, 65520: {0x7c00, 0x4780},
		1e39: {0x7c00, 0x7f80}, 0x1p-24: {1, 0x3380}, 0x1p-25: {0, 0x3300}, 0x1.8p-25: {1, 0x3340}, 0x1.004p0: {0x3c01, 0x3f80},
		0x1.002p0: {0x3c00, 0x3f80}, 0x1.01p0: {0x3c04, 0x3f80}, 0x1.03p0: {0x3c0c, 0x3f82}, 0x1.ffep-15: {0x0400, 0x3880},
		math.Inf(-1): {0xfc00, 0xff80}, 1e-50: {0, 0},
	} {
		if f, b := tensor.ToFloat16(v), tensor.ToBFloat16(v); f != want[0] || b != want[1] {
			t.Errorf("%v is %#x and %#x, want %#x", v, f, b, want)
		}
	}
	for h := range 1 << 16 {
		if f := tensor.FromFloat16(uint16(h)); f == f && tensor.ToFloat16(float64(f)) != uint16(h) {
			t.Fatalf("float16 %#x is %v and comes back as %#x", h, f, tensor.ToFloat16(float64(f)))
		}
		if f := tensor.FromBFloat16(uint16(h)); f == f && tensor.ToBFloat16(float64(f)) != uint16(h) {
			t.Fatalf("bfloat16 %#x is %v and comes back as %#x", h, f, tensor.ToBFloat16(float64(f)))
		}
	}
}
