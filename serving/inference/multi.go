package inference

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"shoal/serving"
	"shoal/tensor"
)

// MultiInference runs the same examples through several signatures of one model, at the same time, and answers in the
// order of the tasks. All tasks are checked before any runs; one that fails fails the request.
func MultiInference(ctx context.Context, h *serving.Handle, tasks []*apis_go_proto.InferenceTask, examples [][]byte, deadline time.Time, opts ...Option) (*apis_go_proto.MultiInferenceResponse, error) {
	sigs, err := checkTasks(h, tasks, collect(opts))
	if err != nil {
		return nil, err
	}
	if len(examples) == 0 {
		return nil, invalid("Input is empty.")
	}
	// No signature comes twice, so there are never more goroutines than the model has signatures.
	results := make([]*apis_go_proto.InferenceResult, len(tasks))
	errs := make([]error, len(tasks))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var panicked atomic.Value
	for i, task := range tasks {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					panicked.Store(fmt.Errorf("%v\n%s", v, debug.Stack()))
					cancel()
				}
			}()
			results[i], errs[i] = runTask(ctx, h, task, sigs[i], examples, deadline)
			if errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	if v := panicked.Load(); v != nil {
		panic(v) // in the caller's goroutine, which knows what to do with it
	}
	if err := firstError(errs); err != nil {
		return nil, err
	}
	return &apis_go_proto.MultiInferenceResponse{Results: results}, nil
}

func checkTasks(h *serving.Handle, tasks []*apis_go_proto.InferenceTask, o options) ([]*tensor.Signature, error) {
	model := ""
	seen := make(map[string]bool, len(tasks))
	sigs := make([]*tensor.Signature, len(tasks))
	for i, task := range tasks {
		spec := task.GetModelSpec()
		switch {
		case spec.GetName() == "":
			return nil, invalid("Found ModelSpec with an empty model name.")
		case model == "":
			model = spec.GetName()
		case model != spec.GetName():
			return nil, invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
		}
		name := orDefault(spec.GetSignatureName())
		if seen[name] {
			return nil, invalid("Duplicate evaluation of signature: %s", name)
		}
		seen[name] = true
		sig, ok := h.Signature(name)
		if !ok {
			return nil, invalid("Requested signature not found in model graph: %s", name)
		}
		sigs[i] = sig
		var err error
		switch task.GetMethodName() {
		case ClassifyMethod:
			err = checkClassify(h, sig, o)
		case RegressMethod:
			err = checkRegress(h, sig, o)
		default:
			err = status.Errorf(codes.Unimplemented, "Unsupported signature method_name: %s", task.GetMethodName())
		}
		if err != nil {
			return nil, err
		}
	}
	return sigs, nil
}

func runTask(ctx context.Context, h *serving.Handle, task *apis_go_proto.InferenceTask, sig *tensor.Signature, examples [][]byte, deadline time.Time) (*apis_go_proto.InferenceResult, error) {
	answer, err := run(ctx, h, sig, examples, deadline)
	if err != nil {
		return nil, err
	}
	defer answer.Free()
	result := &apis_go_proto.InferenceResult{ModelSpec: ModelSpec(h, task.GetModelSpec())}
	if task.GetMethodName() == ClassifyMethod {
		c, err := classifications(sig, answer.Outputs, len(examples))
		result.Result = &apis_go_proto.InferenceResult_ClassificationResult{ClassificationResult: c}
		return result, err
	}
	r, err := regressions(sig, answer.Outputs, len(examples))
	result.Result = &apis_go_proto.InferenceResult_RegressionResult{RegressionResult: r}
	return result, err
}

// firstError prefers the error that made the others be cancelled.
func firstError(errs []error) error {
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || status.Code(first) == codes.Canceled) {
			first = err
		}
	}
	return first
}

// ModelSpec is what an answer says about who gave it: the model's name, the version that ran, the signature used.
func ModelSpec(h *serving.Handle, asked *apis_go_proto.ModelSpec) *apis_go_proto.ModelSpec {
	return &apis_go_proto.ModelSpec{
		Name:          asked.GetName(),
		VersionChoice: &apis_go_proto.ModelSpec_Version{Version: wrapperspb.Int64(h.Version)},
		SignatureName: orDefault(asked.GetSignatureName()),
	}
}
