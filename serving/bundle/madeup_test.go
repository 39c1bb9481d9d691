package bundle

import (
	"testing"

	"shoal/tensor"
)

// Inputs of absurd sizes are not made up, whichever way the size comes about.
func TestMadeUpIsBounded(t *testing.T) {
	spec := func(dt tensor.DType, dims ...int64) tensor.Spec {
		return tensor.Spec{Name: "x", DType: dt, Shape: dims}
	}
	many := make([]tensor.Spec, 1000)
	for i := range many {
		many[i] = spec(tensor.Float64, -1, 1<<20)
	}
	for name, inputs := range map[string][]tensor.Spec{
		"overflow":        {spec(tensor.Float32, -1, 1<<62, 1<<62)},
		"large":           {spec(tensor.Float32, -1, 400_000_000, -1)},
		"strings":         {spec(tensor.String, -1, 20_000_000)},
		"wide elements":   {spec(tensor.Float64, -1, 40_000_000)},
		"many inputs":     many,
		"many dimensions": {spec(tensor.Float32, make(tensor.Shape, 255)...)},
	} {
		if b := madeUp(&tensor.Signature{Inputs: inputs}, 1); b != nil {
			t.Errorf("%s: made up", name)
		}
	}
	sig := &tensor.Signature{Inputs: []tensor.Spec{spec(tensor.Float32, -1, 3, -1), spec(tensor.String, -1), {Name: "any", DType: tensor.Int64, UnknownRank: true}}}
	b := madeUp(sig, 2)
	if b == nil || !b.Shapes[0].Equal(tensor.Shape{2, 3, 1}) || !b.Shapes[1].Equal(tensor.Shape{2}) || !b.Shapes[2].Equal(tensor.Shape{2}) ||
		len(b.Parts[0][0].Data) != 24 || len(b.Parts[0][1].Strings) != 2 || len(b.Parts[0][2].Data) != 16 {
		t.Errorf("%+v", b)
	}
	if madeUp(&tensor.Signature{}, 1) == nil {
		t.Error("no inputs are no reason")
	}
}
