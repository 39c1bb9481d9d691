package servingtest

import (
	"cmp"
	"context"
	"sync"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/batcher"
	"shoal/engine"
	"shoal/tensor"
)

// Model is a servable whose runs a test decides. The fields are set before it is used.
type Model struct {
	Signatures map[string]*tensor.Signature
	Skipped    map[string]string              // engine.Description
	Metadata   *apis_go_proto.SignatureDefMap // nil: the signatures' keys and methods
	// Compute is given inputs that are well-formed, and returns the outputs.
	Compute func(ctx context.Context, e batcher.Entry) ([]tensor.Tensor, error)

	describe  sync.Once
	described engine.Description
}

// Signature finds "serving_default" by "" too.
func (m *Model) Signature(name string) (*tensor.Signature, bool) {
	s, ok := m.Signatures[cmp.Or(name, "serving_default")]
	return s, ok
}

// Describe is the same description at each call, as it is of a loaded version.
func (m *Model) Describe() *engine.Description {
	m.describe.Do(func() {
		m.described = engine.Description{Signatures: m.Signatures, Skipped: m.Skipped, Metadata: m.Metadata}
		if m.Metadata != nil {
			return
		}
		defs := make(map[string]*pb.SignatureDef)
		for name, s := range m.Signatures {
			//lint:ignore SA1019 deprecated, and still what tells classify and regress from predict
			defs[name] = &pb.SignatureDef{MethodName: s.Method}
		}
		m.described.Metadata = &apis_go_proto.SignatureDefMap{SignatureDef: defs}
	})
	return &m.described
}

// Run holds the arena while Compute uses the inputs.
func (m *Model) Run(ctx context.Context, e batcher.Entry) (*batcher.Answer, error) {
	e.Arena.Retain()
	defer e.Arena.Free()
	for i := range e.Inputs {
		if err := e.Inputs[i].Check(); err != nil {
			return nil, err
		}
	}
	out, err := m.Compute(ctx, e)
	if err != nil {
		return nil, err
	}
	return &batcher.Answer{Outputs: out, BatchRows: 1, BatchSize: 1}, nil
}

// Close does nothing.
func (m *Model) Close() {}
