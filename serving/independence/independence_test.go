package independence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pb "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

// model is a Runner that computes float32 rows in plain Go.
type model func(x []float32) ([]float32, error)

func (m model) Run(b *tensor.Batch) (*tensor.Result, error) {
	var x []float32
	for _, p := range b.Parts {
		for d := p[0].Data; len(d) > 0; d = d[4:] {
			x = append(x, math.Float32frombits(binary.LittleEndian.Uint32(d)))
		}
	}
	y, err := m(x)
	if err != nil {
		return nil, err
	}
	return &tensor.Result{Outputs: []tensor.Tensor{floats32(y)}}, nil
}

func floats32(x []float32) tensor.Tensor {
	t := tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{int64(len(x))}}
	for _, v := range x {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return t
}

func each(f func(float32) float32) model {
	return func(x []float32) ([]float32, error) {
		y := slices.Clone(x)
		for i := range y {
			y[i] = f(x[i])
		}
		return y, nil
	}
}

func sum(x []float32) (s float32) {
	for _, v := range x {
		s += v
	}
	return s
}

var refusal = status.Error(codes.InvalidArgument, "not these")

func TestVerdicts(t *testing.T) {
	calls := 0
	for _, c := range []struct {
		name string
		m    model
		want Kind
		why  string
	}{
		{"independent", each(func(x float32) float32 { return 2*x + 1 }), Independent, ""},
		{"rounded in another way in each size", func(x []float32) ([]float32, error) {
			y := slices.Clone(x)
			for i := range y {
				y[i] *= 1 + 1e-5*float32(len(x))
			}
			return y, nil
		}, Independent, ""},
		{"not a number for some", each(func(x float32) float32 { return float32(math.Sqrt(float64(x))) }), Independent, ""},
		{"refuses some rows", func(x []float32) ([]float32, error) {
			if slices.Min(x) < 0 {
				return nil, refusal
			}
			return x, nil
		}, Independent, ""},
		{"the mean is taken off", func(x []float32) ([]float32, error) {
			y, m := slices.Clone(x), sum(x)/float32(len(x))
			for i := range y {
				y[i] -= m
			}
			return y, nil
		}, Dependent, "rows depend on each other"},
		{"in reverse", func(x []float32) ([]float32, error) {
			y := slices.Clone(x)
			slices.Reverse(y)
			return y, nil
		}, Dependent, "rows depend on each other"},
		{"sums", func(x []float32) ([]float32, error) { return []float32{sum(x)}, nil }, Dependent, "has the shape [1] for 4 rows"},
		{"not together", func(x []float32) ([]float32, error) {
			if len(x) > 1 {
				return nil, refusal
			}
			return x, nil
		}, Dependent, "not together"},
		{"refuses all", func(x []float32) ([]float32, error) { return nil, refusal }, Unproven, "not these"},
		{"busy", func(x []float32) ([]float32, error) { return nil, status.Error(codes.ResourceExhausted, "full") }, Unproven, "full"},
		{"always the same", each(func(float32) float32 { return 7 }), Unproven, "all alike"},
		{"random", func(x []float32) ([]float32, error) {
			calls++
			return each(func(v float32) float32 { return v + float32(calls) })(x)
		}, Unproven, "differ from run to run"},
	} {
		sig := &tensor.Signature{
			Inputs:  []tensor.Spec{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{-1}}},
			Outputs: []tensor.Spec{{Name: "y", DType: tensor.Float32, Shape: tensor.Shape{-1}}},
		}
		p := Proof{Runner: c.m, Signature: sig}
		v := p.Try(Synthetic(sig, "", Ranges))
		if v.Kind != c.want || !strings.Contains(v.Why, c.why) || (c.name == "refuses all") != errors.Is(v.Refused, refusal) {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

func TestCompare(t *testing.T) {
	strings := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{2}, Strings: [][]byte{[]byte("a"), []byte("b")}}
	ints := tensor.Tensor{DType: tensor.Uint8, Shape: tensor.Shape{2, 2}, Data: []byte{1, 2, 3, 4}}
	wide := tensor.Tensor{DType: tensor.Uint8, Shape: tensor.Shape{2, 1}, Data: []byte{1, 2}}
	a, b := floats32([]float32{1, 1000}), floats32([]float32{1.0005, 1001.5})
	nan := floats32([]float32{float32(math.NaN()), 0})
	for _, c := range []struct {
		name        string
		want, got   *tensor.Tensor
		from, at, n int
		same        bool
	}{
		{"equal strings", &strings, &strings, 0, 0, 2, true},
		{"other strings", &strings, &strings, 0, 1, 1, false},
		{"equal integers", &ints, &ints, 1, 1, 1, true},
		{"other integers", &ints, &ints, 0, 1, 1, false},
		{"other inner shapes", &ints, &wide, 0, 0, 1, false},
		{"rounding", &a, &b, 0, 0, 1, true},
		{"more than rounding", &a, &b, 1, 1, 1, false},
		{"not a number, both", &nan, &nan, 0, 0, 1, true},
		{"not a number, one", &nan, &nan, 0, 1, 1, false},
	} {
		if how := Compare(c.want, c.from, c.got, c.at, c.n, Rounding); (how == "") != c.same {
			t.Errorf("%s: %q", c.name, how)
		}
	}
}

// Synthetic rows have the types and shapes that the signature declares, and their strings are what the graph reads.
func TestSynthetic(t *testing.T) {
	var inputs []tensor.Spec
	for dt := tensor.DType(1); dt < 30; dt++ {
		if dt.Known() {
			inputs = append(inputs, tensor.Spec{Name: dt.String(), DType: dt, Shape: tensor.Shape{-1, 2, -1}})
		}
	}
	inputs = append(inputs, tensor.Spec{Name: "any", DType: tensor.Float32, UnknownRank: true})
	sig := &tensor.Signature{Inputs: inputs}
	trials := Synthetic(sig, "", slices.Concat(Ranges, WideRanges))
	for n, rows := range trials {
		for i, r := range rows {
			if err := r.Check(); err != nil || r.Rows() != TrialRows || !inputs[i].UnknownRank && len(r.Shape) != 3 {
				t.Errorf("trial %d, %s: %v %v", n, inputs[i].Name, r.Shape, err)
			}
		}
	}
	if len(trials) != len(Ranges)+len(WideRanges) {
		t.Errorf("%d trials", len(trials))
	}
	if Synthetic(&tensor.Signature{Inputs: []tensor.Spec{{DType: tensor.Uint8, Shape: tensor.Shape{-1, 1 << 40}}}}, "", Ranges) != nil {
		t.Error("a tensor of terabytes was made")
	}

	text := &tensor.Signature{Inputs: []tensor.Spec{{Name: "s", DType: tensor.String, Shape: tensor.Shape{-1}}}}
	for _, format := range []string{"jpeg", "png"} {
		for _, s := range Synthetic(text, format, Ranges)[0][0].Strings {
			if _, got, err := image.Decode(strings.NewReader(string(s))); err != nil || got != format {
				t.Errorf("%s: %s %v", format, got, err)
			}
		}
	}
	text.Features = []tensor.Feature{
		{Name: "f", DType: tensor.Float32, Shape: tensor.Shape{2}}, {Name: "i", DType: tensor.Int64, Any: true}, {Name: "s", DType: tensor.String, Shape: tensor.Shape{}},
	}
	for _, s := range Synthetic(text, "", Ranges)[0][0].Strings {
		e := new(pb.Example)
		err := proto.Unmarshal(s, e)
		f := e.GetFeatures().GetFeature()
		if err != nil || len(f["f"].GetFloatList().GetValue()) != 2 || len(f["i"].GetInt64List().GetValue()) == 0 || len(f["s"].GetBytesList().GetValue()) != 1 {
			t.Errorf("%v %v", e, err)
		}
	}
}

// Whatever the rows, a model that is a function of each is never called dependent.
func FuzzIndependentStaysIndependent(f *testing.F) {
	f.Add(uint64(1), 1.0)
	f.Fuzz(func(t *testing.T, seed uint64, factor float64) {
		r := rand.New(rand.NewPCG(seed, 1))
		rows := make([]float32, TrialRows)
		for i := range rows {
			rows[i] = math.Float32frombits(r.Uint32())
		}
		m := each(func(x float32) float32 { return float32(math.Sin(float64(x)*factor)) * x })
		sig := &tensor.Signature{Inputs: []tensor.Spec{{Name: "x"}}, Outputs: []tensor.Spec{{Name: "y"}}}
		p := Proof{Runner: m, Signature: sig}
		if v := p.Try([]Rows{{floats32(rows)}}); v.Kind == Dependent {
			t.Error(fmt.Sprint(rows), v)
		}
	})
}
