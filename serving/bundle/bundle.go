// Package bundle makes servables of SavedModels: a session, instances that run on it, a batcher in front of them, and a
// warm-up before the first request. It is where the serving room meets TensorFlow.
package bundle

import (
	"context"
	"log/slog"
	"time"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/batcher"
	"shoal/savedmodel"
	"shoal/savedmodel/rewrite"
	"shoal/serving"
	"shoal/tensor"
)

// Options hold for every version that is loaded.
type Options struct {
	Tags      []string        // of the meta graph to serve; empty: serve
	Session   *pb.ConfigProto // laid over what is chosen for this machine; nil: nothing
	NoPrune   bool            // load graphs as they are
	Freeze    rewrite.Mode    // which variables become constants
	Scratch   string          // directory of rewritten graphs; "": the system's temporary one
	Instances int             // runs of one version at once, ≥ 1

	Batch            bool // false: every request runs alone
	Batching         batcher.Config
	PerModelBatching bool             // a version's own batching_params.pbtxt replaces Batching; without one it is not batched
	Limiter          *batcher.Limiter // runs at once over all models
	Observer         func(model string, version int64) batcher.Observer

	Warmup           bool // run the version's recorded requests before it is available
	WarmupIterations int  // how often each; below 1: once
	SyntheticWarmup  bool // run every signature with made-up inputs
	CheckMethodNames bool // in recorded requests as in clients'
	// Loaded is told how long reading a SavedModel took, and WarmedUp how long its recorded requests did; nil: nobody is.
	Loaded   func(model string, version int64, dir string, took time.Duration, err error)
	WarmedUp func(model string, version int64, dir string, records int, took time.Duration, err error)

	Logger *slog.Logger
}

// Bundle is a loaded version; it implements serving.Servable.
type Bundle struct {
	model     *savedmodel.Model
	instances []*savedmodel.Instance
	batcher   *batcher.Batcher
	alone     map[*tensor.Signature]string // signatures that are not batched, and why
}

var _ serving.Servable = (*Bundle)(nil)

// Signature finds a signature by key; "" stands for serving_default.
func (b *Bundle) Signature(name string) (*tensor.Signature, bool) {
	if name == "" {
		name = "serving_default"
	}
	sig, ok := b.model.Signatures[name]
	return sig, ok
}

// MetaGraph is the model's own description.
func (b *Bundle) MetaGraph() *pb.MetaGraphDef { return b.model.MetaGraph() }

// Run queues the request and waits for its answer.
func (b *Bundle) Run(ctx context.Context, sig *tensor.Signature, inputs []tensor.Tensor, arena *tensor.Arena, deadline time.Time) (*batcher.Answer, error) {
	_, alone := b.alone[sig]
	return b.batcher.Do(ctx, &batcher.Entry{Signature: sig, Inputs: inputs, Arena: arena, Deadline: deadline, Unbatched: alone})
}

// Stats says how busy the version is.
func (b *Bundle) Stats() batcher.Stats { return b.batcher.Stats() }

// Close runs what is queued, waits for it, and frees the model.
func (b *Bundle) Close() {
	if b.batcher != nil {
		b.batcher.Close()
	}
	for _, in := range b.instances {
		in.Close()
	}
	b.model.Close()
	savedmodel.ReleaseMemory()
}
