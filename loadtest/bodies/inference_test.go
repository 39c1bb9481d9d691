package bodies

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"shoal/serving/oip/inferencepb"
	"shoal/tensor"
)

func TestInference(t *testing.T) {
	sig := &tensor.Signature{Name: "other", Inputs: []tensor.Spec{{Name: "x", DType: tensor.Int16, Shape: tensor.Shape{-1, 2}}}}
	r := &Request{Rows: 1, Inputs: []tensor.Tensor{{DType: tensor.Int16, Shape: tensor.Shape{1, 2}, Data: []byte{1, 2, 3, 4}}}}
	b, err := Inference("m", sig, r)
	if err != nil {
		t.Fatal(err)
	}
	m := new(inferencepb.ModelInferRequest)
	if err := proto.Unmarshal(b.Data, m); err != nil {
		t.Fatal(err)
	}
	if m.ModelName != "m" || m.Parameters["signature_name"].GetStringParam() != "other" || m.Inputs[0].Datatype != "INT16" || m.Inputs[0].Shape[1] != 2 ||
		!bytes.Equal(m.RawInputContents[0], r.Inputs[0].Data) || b.Rows != 1 {
		t.Errorf("got %v, %d rows", m, b.Rows)
	}
}
