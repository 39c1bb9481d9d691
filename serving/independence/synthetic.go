package independence

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"

	pb "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

// MaxElements bounds a synthetic tensor.
const MaxElements = 1 << 24

// Range is where the random values of a trial come from.
type Range struct {
	Low, High float64 // of floats
	Largest   int     // of integers, from 0
	Inner     int64   // the size of open dimensions other than the first
	Words     int     // of a string, at most
}

// Ranges of the usual trials. Each shows what another hides: models take roots of their inputs, look them up in small tables, compare
// them with thresholds, or clip them.
var Ranges = []Range{
	{Low: -2, High: 2, Largest: 1, Inner: 3, Words: 6},
	{Low: 0, High: 1, Largest: 2, Inner: 2, Words: 1},
	{Low: -1, High: 1, Largest: 9, Inner: 5, Words: 9},
}

// WideRanges are tried besides where the graph has ops that may mix rows: a threshold may lie far out.
var WideRanges = []Range{
	{Low: 0, High: 255, Largest: 100, Inner: 7, Words: 20},
	{Low: -1e3, High: 1e3, Largest: 1000, Inner: 4, Words: 2},
	{Low: -0.01, High: 0.01, Largest: 3, Inner: 1, Words: 1},
}

// Synthetic makes trials of random rows for the signature, one for each range; nil where its tensors would be too large. images is
// the format of the pictures that its strings are ("png", "jpeg"); "": they are words.
func Synthetic(sig *tensor.Signature, images string, ranges []Range) (trials []Rows) {
	for i, r := range ranges {
		m := &maker{Range: r, rand: rand.New(rand.NewPCG(uint64(i)+1, 7)), images: images, features: sig.Features}
		rows := make(Rows, len(sig.Inputs))
		for k, s := range sig.Inputs {
			t, ok := m.tensor(s)
			if !ok {
				return nil
			}
			rows[k] = t
		}
		trials = append(trials, rows)
	}
	return trials
}

type maker struct {
	Range
	rand     *rand.Rand
	images   string
	features []tensor.Feature
}

// tensor makes TrialRows rows of an input. An input of unknown rank gets rows without dimensions.
func (m *maker) tensor(s tensor.Spec) (t tensor.Tensor, ok bool) {
	t = tensor.Tensor{DType: s.DType, Shape: tensor.Shape{TrialRows}}
	if len(s.Shape) > 0 {
		for _, n := range s.Shape[1:] {
			if n < 0 {
				n = m.Inner
			}
			t.Shape = append(t.Shape, n)
		}
	}
	n, ok := t.Shape.Elements()
	if !ok || n > MaxElements || !s.DType.Known() {
		return t, false
	}
	if s.DType == tensor.String {
		t.Strings = make([][]byte, n)
		for i := range t.Strings {
			t.Strings[i] = m.text()
		}
		return t, true
	}
	size := s.DType.Size()
	t.Data = make([]byte, int(n)*size)
	for at := 0; at < len(t.Data); at += size {
		m.put(s.DType, t.Data[at:at+size])
	}
	return t, true
}

func (m *maker) float() float64 { return m.Low + m.rand.Float64()*(m.High-m.Low) }

func (m *maker) put(dt tensor.DType, b []byte) {
	le := binary.LittleEndian
	switch dt {
	case tensor.Float32:
		le.PutUint32(b, math.Float32bits(float32(m.float())))
	case tensor.Float64:
		le.PutUint64(b, math.Float64bits(m.float()))
	case tensor.Float16:
		le.PutUint16(b, tensor.ToFloat16(m.float()))
	case tensor.BFloat16:
		le.PutUint16(b, tensor.ToBFloat16(m.float()))
	case tensor.Complex64:
		m.put(tensor.Float32, b[:4])
		m.put(tensor.Float32, b[4:])
	case tensor.Complex128:
		m.put(tensor.Float64, b[:8])
		m.put(tensor.Float64, b[8:])
	case tensor.Bool:
		b[0] = byte(m.rand.IntN(2))
	default: // integers: small ones are the same in all sizes and signs
		largest := m.Largest
		if len(b) == 1 {
			largest = min(largest, math.MaxInt8)
		}
		var wide [8]byte
		le.PutUint64(wide[:], uint64(m.rand.IntN(largest+1)))
		copy(b, wide[:])
	}
}

var words = strings.Fields("a shoal of fish the quick brown fox import os x=1 zzz 1 3.5 green lorem ipsum dolor sit amet London 42")

// text is what a string of the signature may be: a tf.Example, a picture, or words.
func (m *maker) text() []byte {
	switch {
	case len(m.features) > 0:
		return m.example()
	case m.images != "":
		return m.picture()
	}
	return m.words()
}

func (m *maker) words() []byte {
	list := make([]string, 1+m.rand.IntN(m.Words))
	for i := range list {
		list[i] = words[m.rand.IntN(len(words))]
	}
	return []byte(strings.Join(list, " "))
}

// picture is a small one of random pixels, of one size for all: most models put several of one size together.
func (m *maker) picture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for y := range 32 {
		for x := range 32 {
			img.Set(x, y, color.RGBA{uint8(m.rand.IntN(256)), uint8(m.rand.IntN(256)), uint8(m.rand.IntN(256)), 255})
		}
	}
	var b bytes.Buffer
	if m.images == "png" {
		_ = png.Encode(&b, img) // a bytes.Buffer takes all
	} else {
		_ = jpeg.Encode(&b, img, nil)
	}
	return b.Bytes()
}

func (m *maker) example() []byte {
	features := make(map[string]*pb.Feature, len(m.features))
	for _, f := range m.features {
		n, ok := f.Shape.Elements()
		if f.Any || !ok || n > MaxElements {
			n = int64(1 + m.rand.IntN(m.Words))
		}
		features[f.Name] = m.feature(f.DType, int(n))
	}
	raw, err := proto.Marshal(&pb.Example{Features: &pb.Features{Feature: features}})
	if err != nil {
		return nil
	}
	return raw
}

func (m *maker) feature(dt tensor.DType, n int) *pb.Feature {
	switch dt {
	case tensor.Float32:
		list := make([]float32, n)
		for i := range list {
			list[i] = float32(m.float())
		}
		return &pb.Feature{Kind: &pb.Feature_FloatList{FloatList: &pb.FloatList{Value: list}}}
	case tensor.Int64:
		list := make([]int64, n)
		for i := range list {
			list[i] = int64(m.rand.IntN(m.Largest + 1))
		}
		return &pb.Feature{Kind: &pb.Feature_Int64List{Int64List: &pb.Int64List{Value: list}}}
	}
	list := make([][]byte, n)
	for i := range list {
		list[i] = m.words()
	}
	return &pb.Feature{Kind: &pb.Feature_BytesList{BytesList: &pb.BytesList{Value: list}}}
}
