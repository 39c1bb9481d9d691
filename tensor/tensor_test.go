package tensor

import (
	"math"
	"testing"
)

func TestElements(t *testing.T) {
	for _, c := range []struct {
		shape Shape
		n     int64
		ok    bool
	}{
		{Shape{}, 1, true}, {Shape{2, 3}, 6, true}, {Shape{0, 5}, 0, true}, {Shape{-1}, 0, false},
		{Shape{math.MaxInt64}, math.MaxInt64, true}, {Shape{1 << 32, 1 << 31}, 0, false},
		{Shape{1 << 62, 4, 0}, 0, false}, // overflows on the way although the product is 0
	} {
		if n, ok := c.shape.Elements(); n != c.n || ok != c.ok {
			t.Errorf("%v: %d, %v; want %d, %v", c.shape, n, ok, c.n, c.ok)
		}
	}
}

func TestSliceSharesMemory(t *testing.T) {
	x := int32s(Shape{3, 2}, 1, 2, 3, 4, 5, 6)
	v := x.Slice(1, 3)
	if !v.Shape.Equal(Shape{2, 2}) || &v.Data[0] != &x.Data[8] || len(v.Data) != 16 {
		t.Errorf("slice is %v with %d bytes", v.Shape, len(v.Data))
	}
	if e := (&Tensor{DType: Float32, Shape: Shape{0, 4}}).Slice; !e(0, 0).Shape.Equal(Shape{0, 4}) {
		t.Error("an empty tensor's only slice is itself")
	}
	if v.Check() != nil || (&Tensor{DType: Int32, Shape: Shape{9}, Data: x.Data}).Check() == nil {
		t.Error("Check must see whether memory and shape agree")
	}
}

func TestArenaReuse(t *testing.T) {
	a := NewArena()
	b := a.Bytes(3000)
	if len(b) != 3000 || cap(b) != 4096 {
		t.Fatalf("len %d, cap %d", len(b), cap(b))
	}
	a.Retain()
	a.Free()
	b[0] = 1 // still ours
	a.Free()
	defer func() {
		if recover() == nil {
			t.Error("a second last Free must panic")
		}
	}()
	a.refs.Store(0)
	a.Free()
}
