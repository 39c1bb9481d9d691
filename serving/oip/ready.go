package oip

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// ModelReady is nil if requests for this version ("": the newest) are answered. Otherwise it says why not. A model that does not exist
// is not ready.
func ModelReady(core serving.Core, model, version string) error {
	spec, err := ModelSpec(model, version, "")
	if err != nil {
		return err
	}
	h, err := Handle(core, spec)
	if err != nil {
		return err
	}
	defer h.Release()
	if err := serving.ReadyOf(h.Servable); err != nil {
		return err
	}
	sig, ok := DefaultSignature(h)
	if !ok {
		return nil // each request names one
	}
	if err := representable(h.Model, sig); err != nil {
		return status.Error(codes.Unavailable, status.Convert(err).Message())
	}
	return nil
}
