// Package engine is the seam between the server and what computes: an Engine loads a model, a Model makes instances, an Instance
// runs batches. The server knows models by their tensor.Signatures only. Package tensorflow is an engine.
package engine

import (
	"log/slog"

	"google.golang.org/protobuf/proto"

	"shoal/tensor"
)

// Engine loads models of one format. It holds what is configured for all of them. It is safe for concurrent use.
type Engine interface {
	// Platform is the name that configuration files have for the format: "tensorflow".
	Platform() string
	Layout
	// Check finds what is wrong with the model in dir without loading it: a missing file, a file of another format.
	Check(dir string) error
	// Bytes is about how much memory of a device the model in dir will take.
	Bytes(dir string) uint64
	// Load loads the model in dir.
	Load(dir string, o Options) (Model, error)
	// DeviceFault reports whether an error of a run is the device's, so that the same batch may succeed on another device. An
	// error that the request or the model causes is not.
	DeviceFault(err error) bool
}

// Layout says which files a model directory has. Names are relative to the directory, with slashes; those of directories end in
// a slash.
type Layout interface {
	// IsModel reports whether a directory with a file of this name is a model, complete or not: "saved_model.pb".
	IsModel(name string) bool
	// Missing is a file that the listed directory still lacks; "": the model is complete, as far as names show.
	Missing(names []string) string
}

// Options say how one model is loaded.
type Options struct {
	// Device is where the model runs, in the words of devices.Target ("/device:GPU:0"); "": the engine chooses.
	Device string
	// AsItIs loads the model without changes of its graph, although the engine is configured to make some.
	AsItIs bool
	// Signatures are those that batches will come with: the model's own, as another device, or another engine, has loaded them. An
	// instance finds its own signature by the name. nil: the signatures that Load makes.
	Signatures map[string]*tensor.Signature
	Logger     *slog.Logger // nil: nothing is logged
}

// Runner makes instances of something that is loaded.
type Runner interface {
	// NewInstance makes an instance. Close it before the Runner.
	NewInstance() (Instance, error)
	// Close frees everything. No instance may run then, or later.
	Close()
}

// Instance runs one batch at a time, in the caller's thread. Several instances of one model run side by side.
type Instance interface {
	// Run gathers the batch and runs it. The caller frees the result. Errors are gRPC status errors.
	Run(b *tensor.Batch) (*tensor.Result, error)
	// Close frees the instance.
	Close()
}

// Model is a loaded model.
type Model interface {
	Runner
	// Describe returns what does not change while the model is loaded. Nobody may change it.
	Describe() *Description
	// Study reads what the model computes. It completes the signatures with what it finds (Features, Steady), and returns the
	// nature of each signature, by its name. It is called once, before the first run.
	Study() map[string]*Nature
}

// Description is what a model is for its clients.
type Description struct {
	// Signatures are those that can be run, by name.
	Signatures map[string]*tensor.Signature
	// Skipped says why each of the model's other signatures cannot be run: `its input "x" is a sparse tensor`.
	Skipped map[string]string
	// Metadata answers requests for the model's metadata: a SignatureDefMap of TensorFlow Serving's API. An engine whose models have
	// none makes it with signaturedef.Of.
	Metadata proto.Message
}

// Nature is what is known of a signature before it has run. An engine that does not know says that the signature writes.
type Nature struct {
	// Writes says what may change the model's state when the signature runs: `AssignAddVariableOp (node "counter")`. "": nothing.
	Writes string
	// Random is an op whose results differ from run to run; "": there is none.
	Random string
	// Mixing are the ops that may let rows of a batch influence each other, by name.
	Mixing []string
	// Images is the format of the pictures that the signature decodes, "png" or "jpeg"; "": it decodes none.
	Images string
}
