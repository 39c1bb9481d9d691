package proto

import (
	"bytes"
	"slices"
	"testing"

	"github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

func FuzzDecode(f *testing.F) {
	for _, d := range numeric {
		m := message(d, 2, 2)
		set(m, 3)
		wire, _ := proto.Marshal(m)
		f.Add(wire)
	}
	text := message(tensor.String, 3)
	text.StringVal = [][]byte{[]byte("a"), {}}
	wire, _ := proto.Marshal(text)
	f.Add(wire)
	f.Fuzz(func(t *testing.T, wire []byte) {
		const limit = 1 << 16
		arena := tensor.NewArena()
		defer arena.Free()
		d := Decoder{Arena: arena, Left: limit}
		in, err := d.Decode(wire)
		if err != nil {
			return
		}
		if err := in.Check(); err != nil {
			t.Fatal(err)
		}
		if d.Left < 0 {
			t.Fatalf("%d bytes over the limit", -d.Left)
		}
		for _, content := range []bool{false, true} {
			m := Measure(&in, content)
			again := m.Append(nil)
			if len(again) != m.Size {
				t.Fatalf("measured %d, wrote %d", m.Size, len(again))
			}
			if err := proto.Unmarshal(again, new(tensor_go_proto.TensorProto)); err != nil {
				t.Fatal(err)
			}
			d := Decoder{Arena: arena, Left: limit}
			out, err := d.Decode(again)
			if err != nil || out.DType != in.DType || !out.Shape.Equal(in.Shape) || !bytes.Equal(out.Data, in.Data) ||
				!slices.EqualFunc(out.Strings, in.Strings, bytes.Equal) {
				t.Fatalf("got %v, %v; want %v", out, err, in)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, d := range []tensor.DType{tensor.Float32, tensor.Int64} {
		m := message(d, 1000)
		set(m, 1000)
		wire, _ := proto.Marshal(m)
		b.Run(d.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d := Decoder{Arena: tensor.NewArena(), Left: 1 << 20}
				if _, err := d.Decode(wire); err != nil {
					b.Fatal(err)
				}
				d.Arena.Free()
			}
		})
		b.Run(d.String()+"/generated", func(b *testing.B) { // for comparison: the message alone, no tensor
			b.ReportAllocs()
			for b.Loop() {
				if err := proto.Unmarshal(wire, new(tensor_go_proto.TensorProto)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
