package bundle

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/engine"
	"shoal/serving"
	"shoal/tensor"
)

// Load loads the version. If a first run fails, and the engine suspects what it has changed in the model, the model is loaded once
// more as it is, and the result of that counts. That a changed model runs does not show that it computes the same: to compare it with
// the original, every load would have to load the model twice.
func (l *loader) Load(ctx context.Context) (serving.Servable, error) {
	b, err := l.load(ctx)
	if suspected, ok := errors.AsType[*suspectError](err); ok && ctx.Err() == nil {
		l.Logger.Warn("a first run failed: the model is loaded as it is, in case pruning and freezing is to blame",
			"model", l.model, "version", l.version, "reason", status.Convert(suspected).Message())
		original := *l
		original.asItIs = suspected.error
		b, err = original.load(ctx)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// suspectError is the failure of a run that the engine's changes of the model may have caused.
type suspectError struct{ error }

func (e *suspectError) Unwrap() error              { return e.error }
func (e *suspectError) GRPCStatus() *status.Status { return status.Convert(e.error) }

// suspect reports whether the error of a first run may come from what the engine has changed in the model.
func (l *loader) suspect(m engine.Model, err error) bool {
	return l.asItIs == nil && engine.Suspects(m, err)
}

// expected says that a model's refusal of made-up inputs is nothing to wonder at. A model that reads text or pictures, or inputs of
// which a dimension had to be guessed, refuses them as of course, with INVALID_ARGUMENT, and is not loaded twice for it; zeros
// of a known shape are seldom refused.
func expected(sig *tensor.Signature, refusal error) bool {
	return status.Code(refusal) == codes.InvalidArgument && slices.ContainsFunc(sig.Inputs, func(s tensor.Spec) bool {
		return s.DType == tensor.String || s.UnknownRank || len(s.Shape) > 0 && slices.Contains(s.Shape[1:], -1)
	})
}
