package inference

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"shoal/serving"
	"shoal/tensor"
)

// runTasks runs the same examples through several signatures of one model, at the same time, and answers in the order of
// the tasks. All tasks are checked before any runs; one that fails fails the request.
func (r *Request) runTasks(ctx context.Context, h *serving.Handle) (*apis_go_proto.MultiInferenceResponse, error) {
	tasks := r.Tasks
	sigs, err := r.checkTasks(h)
	if err != nil {
		return nil, err
	}
	if len(r.Examples) == 0 {
		return nil, errEmpty
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
			results[i], errs[i] = r.runTask(ctx, h, task, sigs[i])
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

func (r *Request) checkTasks(h *serving.Handle) ([]*tensor.Signature, error) {
	model := ""
	seen := make(map[string]bool, len(r.Tasks))
	sigs := make([]*tensor.Signature, len(r.Tasks))
	for i, task := range r.Tasks {
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
		m, ok := methodOf(task)
		if !ok {
			return nil, status.Errorf(codes.Unimplemented, "Unsupported signature method_name: %s", task.GetMethodName())
		}
		if err := r.check(h, sig, m); err != nil {
			return nil, err
		}
	}
	return sigs, nil
}

// methodOf is what a task asks for, if it is known.
func methodOf(task *apis_go_proto.InferenceTask) (m Method, ok bool) {
	switch task.GetMethodName() {
	case ClassifyMethod:
		return Classify, true
	case RegressMethod:
		return Regress, true
	}
	return 0, false
}

func (r *Request) runTask(ctx context.Context, h *serving.Handle, task *apis_go_proto.InferenceTask, sig *tensor.Signature) (*apis_go_proto.InferenceResult, error) {
	m, _ := methodOf(task)
	one, err := r.runOne(ctx, h, sig, m)
	if err != nil {
		return nil, err
	}
	result := &apis_go_proto.InferenceResult{ModelSpec: ModelSpec(h, task.GetModelSpec())}
	if m == Regress {
		result.Result = &apis_go_proto.InferenceResult_RegressionResult{RegressionResult: one.Regression}
	} else {
		result.Result = &apis_go_proto.InferenceResult_ClassificationResult{ClassificationResult: one.Classification}
	}
	return result, nil
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
