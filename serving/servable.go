// Package serving owns the life of models: sources find versions, loaders load them, the manager decides which versions
// should be there and moves them through their states, and a handle pins a version while a request uses it.
package serving

import (
	"context"
	"time"

	"github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/batcher"
	"shoal/tensor"
)

// Servable is a loaded model version that can run requests. It is safe for concurrent use until Close.
type Servable interface {
	// Signature returns the signature with this key; "" stands for "serving_default".
	Signature(name string) (*tensor.Signature, bool)
	// MetaGraph is the model's own description of itself (signature_def for the metadata API), not to be changed.
	MetaGraph() *for_core_protos_go_proto.MetaGraphDef
	// Run runs one request: inputs in sig's order, in memory of arena (which the callee retains for as long as it reads
	// them). deadline zero: none. The caller frees the answer. Errors carry a gRPC status.
	Run(ctx context.Context, sig *tensor.Signature, inputs []tensor.Tensor, arena *tensor.Arena, deadline time.Time) (*batcher.Answer, error)
	// Close waits for what runs, for a bounded time, and gives everything back. Nobody calls Run after it.
	Close()
}

// Refuser is a Servable that can tell before a request is decoded that it would be refused, whatever it holds.
type Refuser interface {
	// Refuses is nil, or the error that Run would return. sig is nil where it is not known yet.
	Refuses(sig *tensor.Signature) error
}

// Loader loads one version of one model. Load is called again after an error, where retries are allowed.
type Loader interface {
	Load(ctx context.Context) (Servable, error)
}

// LoaderFunc makes the Loader for a version that was found in dir.
type LoaderFunc func(model ModelConfig, version int64, dir string) Loader
