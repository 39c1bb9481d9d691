package inference

import (
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/serving"
	"shoal/tensor"
)

// What a regression signature calls its input and its output.
const (
	regressInput  = "inputs"
	regressOutput = "outputs"
)

// checkRegress verifies that the signature takes examples and gives one output.
func checkRegress(h *serving.Handle, sig *tensor.Signature, checkMethod bool) error {
	if checkMethod && sig.Method != RegressMethod {
		return invalid("Expected regression signature method_name to be %s. Was: %s", RegressMethod, sig.Method)
	}
	if len(sig.Inputs) != 1 {
		return invalid("Expected one input Tensor.")
	}
	if len(sig.Outputs) != 1 {
		return invalid("Expected one output Tensor.")
	}
	if sig.Input(regressInput) < 0 {
		return invalid("No regression inputs found in SignatureDef: %s", describe(h, sig))
	}
	if sig.Output(regressOutput) < 0 {
		return invalid("No regression outputs found in SignatureDef: %s", describe(h, sig))
	}
	return nil
}

// regressions makes the result of n examples from an output of [n] or [n,1] floats.
func regressions(sig *tensor.Signature, outputs []tensor.Tensor, n int) (*apis_go_proto.RegressionResult, error) {
	out := &outputs[sig.Output(regressOutput)]
	if rank := len(out.Shape); rank != 1 && (rank != 2 || out.Shape[1] != 1) {
		return nil, invalid("Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got %v", out.Shape)
	}
	if out.Shape[0] != int64(n) {
		return nil, invalid("Input batch size did not match output batch size: %d vs. %d", n, out.Shape[0])
	}
	if out.DType != tensor.Float32 {
		return nil, invalid("Expected output Tensor of DT_FLOAT.  Got: %s", typeName(out.DType))
	}
	values := make([]apis_go_proto.Regression, n)
	result := &apis_go_proto.RegressionResult{Regressions: make([]*apis_go_proto.Regression, n)}
	for i := range values {
		values[i].Value = float32At(out.Data, i)
		result.Regressions[i] = &values[i]
	}
	return result, nil
}
