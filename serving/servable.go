// Package serving has the contracts between protocols, engines and the manager of versions: a Servable runs requests, a Core resolves
// which version a request asks for, and a Handle pins that version while the request uses it.
package serving

import (
	"context"

	"shoal/batcher"
	"shoal/engine"
	"shoal/tensor"
)

// Servable is a loaded model version that can run requests. It is safe for concurrent use until Close. What some servables can do
// besides is in behaviours.go.
type Servable interface {
	// Signature returns the signature with this key; "" stands for "serving_default".
	Signature(name string) (*tensor.Signature, bool)
	// Describe returns what the model is for its clients: its signatures, and its metadata. Nobody may change it.
	Describe() *engine.Description
	// Run runs one request. The entry has its signature, inputs, arena and deadline; the servable decides about the rest of it. The
	// servable retains the arena for as long as it reads the inputs. The caller frees the answer. Errors carry a gRPC status.
	Run(ctx context.Context, e batcher.Entry) (*batcher.Answer, error)
	// Close waits for what runs, for a bounded time, and gives everything back. Nobody calls Run after it.
	Close()
}

// Loader loads one version of one model. Load is called again after an error, where retries are allowed.
type Loader interface {
	Load(ctx context.Context) (Servable, error)
}

// LoaderFunc makes the Loader for a version that was found in dir.
type LoaderFunc func(model ModelConfig, version int64, dir string) Loader
