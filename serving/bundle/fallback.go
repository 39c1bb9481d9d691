package bundle

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/devices"
	"shoal/engine/tensorflow"
	"shoal/serving"
	"shoal/tensor"
)

// Load loads the version. Where a first run of its rewritten graph fails in a way that the rewriting may be to blame for, the
// model is loaded once more as it is, whose word is the last. That a graph runs does not say that it computes the same: to
// compare it with the original would take a second session of every model at every load.
func (l *loader) Load(ctx context.Context) (serving.Servable, error) {
	b, err := l.load(ctx)
	if blamed, ok := errors.AsType[*rewritingError](err); ok && ctx.Err() == nil {
		reason := status.Convert(blamed.error).Message()
		l.Logger.Warn("a first run failed: the model is loaded as it is, in case pruning and freezing is to blame",
			"model", l.model, "version", l.version, "reason", reason)
		original := *l
		original.NoPrune, original.fellBack = true, reason
		b, err = original.load(ctx)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// rewritingError is the failure of a run that the rewriting of the graph may be to blame for.
type rewritingError struct{ error }

func (e *rewritingError) Unwrap() error              { return e.error }
func (e *rewritingError) GRPCStatus() *status.Status { return status.Convert(e.error) }

// blamed says that the error of a first run may come from its graph being another one than the model's own, which it need not be.
func (l *loader) blamed(m *tensorflow.Model, err error) bool {
	if err == nil || l.NoPrune || m.Rewriting == nil || !m.Rewriting.Changed() || devices.RunFault(err) {
		return false
	}
	switch status.Code(err) {
	case codes.ResourceExhausted, codes.OutOfRange, codes.DataLoss, codes.Unimplemented, codes.Canceled, codes.DeadlineExceeded:
		return false
	}
	return true
}

// expected says that a model's refusal of made-up inputs is nothing to wonder at. A model that reads text or pictures, or inputs of
// which a dimension had to be guessed, refuses them as of course, with INVALID_ARGUMENT, and is not loaded twice for it; zeros
// of a known shape are seldom refused.
func expected(sig *tensor.Signature, refusal error) bool {
	return status.Code(refusal) == codes.InvalidArgument && slices.ContainsFunc(sig.Inputs, func(s tensor.Spec) bool {
		return s.DType == tensor.String || s.UnknownRank || len(s.Shape) > 0 && slices.Contains(s.Shape[1:], -1)
	})
}
