package serving

import "context"

// Repository adds and removes single models, those of --model_repository. Errors carry a gRPC code.
type Repository interface {
	// Load serves a model, and returns when it has settled: available, or failed with the error. A model that is served already is
	// looked at for new versions. NOT_FOUND: there is no such model.
	Load(ctx context.Context, model string) error
	// Unload ends a model; its versions go when nobody uses them any more. FAILED_PRECONDITION: it is in the configuration, and can only
	// be removed there. NOT_FOUND: it is not served.
	Unload(ctx context.Context, model string) error
	// Found lists the models that are there, served or not, by name.
	Found() []string
}
