package inference

import (
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/serving"
	"shoal/tensor"
)

// What a classification signature calls its input and its outputs.
const (
	classifyInput = "inputs"
	classesOutput = "classes"
	scoresOutput  = "scores"
)

// checkClassify verifies that the signature takes examples and gives classes, scores or both.
func checkClassify(h *serving.Handle, sig *tensor.Signature, checkMethod bool) error {
	if checkMethod && sig.Method != ClassifyMethod {
		return invalid("Expected classification signature method_name to be %s. Was: %s", ClassifyMethod, sig.Method)
	}
	if len(sig.Inputs) != 1 {
		return invalid("Expected one input Tensor.")
	}
	if n := len(sig.Outputs); n != 1 && n != 2 {
		return invalid("Expected one or two output Tensors, found %d", n)
	}
	if sig.Input(classifyInput) < 0 {
		return invalid("No classification inputs found in SignatureDef: %s", describe(h, sig))
	}
	if sig.Output(classesOutput) < 0 && sig.Output(scoresOutput) < 0 {
		return invalid("Expected classification signature outputs to contain at least one of %q or %q. Signature was: %s",
			classesOutput, scoresOutput, describe(h, sig))
	}
	return nil
}

// classifications makes the result of n examples; both outputs, where they are there, are [n, classes].
func classifications(sig *tensor.Signature, outputs []tensor.Tensor, n int) (*apis_go_proto.ClassificationResult, error) {
	var classes, scores *tensor.Tensor
	if i := sig.Output(classesOutput); i >= 0 {
		classes = &outputs[i]
		if err := checkClassOutput(classes, "classes", tensor.String, n); err != nil {
			return nil, err
		}
	}
	if i := sig.Output(scoresOutput); i >= 0 {
		scores = &outputs[i]
		if err := checkClassOutput(scores, "scores", tensor.Float32, n); err != nil {
			return nil, err
		}
	}
	width := 0
	switch {
	case classes != nil && scores != nil && classes.Shape[1] != scores.Shape[1]:
		return nil, invalid("Tensors class and score should match in dim_size(1). Got %d vs. %d", classes.Shape[1], scores.Shape[1])
	case classes != nil:
		width = int(classes.Shape[1])
	case scores != nil:
		width = int(scores.Shape[1])
	}

	// Three allocations for all messages and pointers, whatever the number of examples and classes.
	rows := make([]apis_go_proto.Classifications, n)
	cells := make([]apis_go_proto.Class, n*width)
	cellRefs := make([]*apis_go_proto.Class, n*width)
	result := &apis_go_proto.ClassificationResult{Classifications: make([]*apis_go_proto.Classifications, n)}
	for k := range cells {
		if classes != nil {
			cells[k].Label = string(classes.Strings[k])
		}
		if scores != nil {
			cells[k].Score = float32At(scores.Data, k)
		}
		cellRefs[k] = &cells[k]
	}
	for i := range rows {
		rows[i].Classes = cellRefs[i*width : (i+1)*width : (i+1)*width]
		result.Classifications[i] = &rows[i]
	}
	return result, nil
}

func checkClassOutput(t *tensor.Tensor, name string, want tensor.DType, n int) error {
	if len(t.Shape) != 2 {
		return invalid("Expected Tensor shape: [batch_size num_classes] but got %v", t.Shape)
	}
	if t.DType != want {
		return invalid("Expected %s Tensor of %s. Got: %s", name, typeName(want), typeName(t.DType))
	}
	if t.Shape[0] != int64(n) {
		return invalid("Expected %s output batch size of %d. Got: %d", name, n, t.Shape[0])
	}
	return nil
}
