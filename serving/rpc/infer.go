package rpc

import (
	"context"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shoal/serving"
	"shoal/serving/inference"
	"shoal/serving/predictionlog"
)

// The fields of ClassificationRequest and RegressionRequest (alike), and of MultiInferenceRequest.
const (
	inferModelSpec protowire.Number = 1
	inferInput     protowire.Number = 2
	multiTasks     protowire.Number = 1
)

// inferRequest is a ClassificationRequest or RegressionRequest whose Input is left serialised, since the model's graph
// wants the examples in that form.
type inferRequest struct {
	carrier
	spec  *apis_go_proto.ModelSpec // nil: not sent
	input []byte
}

func (r *inferRequest) unmarshal(data mem.BufferSlice) (err error) {
	r.call.sent = data.Len()
	r.input, err = splitInput(data, inferModelSpec, func(wire []byte) (err error) {
		r.spec, err = mergeModelSpec(r.spec, wire)
		return err
	})
	return err
}

// multiRequest is a MultiInferenceRequest in the same way.
type multiRequest struct {
	carrier
	tasks []*apis_go_proto.InferenceTask
	input []byte
}

func (r *multiRequest) unmarshal(data mem.BufferSlice) (err error) {
	r.call.sent = data.Len()
	r.input, err = splitInput(data, multiTasks, func(wire []byte) error {
		task := new(apis_go_proto.InferenceTask)
		r.tasks = append(r.tasks, task)
		return proto.Unmarshal(wire, task)
	})
	return err
}

// splitInput gives the serialised Input of a request and hands the values of its other field to each. The Input is a
// copy, left to the garbage collector, since the examples outlive the call if the client gives up.
func splitInput(data mem.BufferSlice, other protowire.Number, each func([]byte) error) (input []byte, err error) {
	buf := data.MaterializeToBuffer(blocks{})
	defer buf.Free()
	for wire := buf.ReadOnlyData(); len(wire) > 0; {
		num, typ, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return nil, errWire
		}
		wire = wire[n:]
		if n = protowire.ConsumeFieldValue(num, typ, wire); n < 0 {
			return nil, errWire
		}
		if typ == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(wire)
			switch num {
			case other:
				err = each(value)
			case inferInput:
				input = append(input, value...)
			}
			if err != nil {
				return nil, err
			}
		}
		wire = wire[n:]
	}
	return input, nil
}

func (s *Server) classify(ctx context.Context, req *inferRequest) (any, error) {
	result, spec, err := infer(ctx, s, req, inference.Classify, predictionlog.Classify)
	if err != nil {
		return nil, err
	}
	return &apis_go_proto.ClassificationResponse{Result: result, ModelSpec: spec}, nil
}

func (s *Server) regress(ctx context.Context, req *inferRequest) (any, error) {
	result, spec, err := infer(ctx, s, req, inference.Regress, predictionlog.Regress)
	if err != nil {
		return nil, err
	}
	return &apis_go_proto.RegressionResponse{Result: result, ModelSpec: spec}, nil
}

// runExamples is inference.Classify or inference.Regress.
type runExamples[R any] func(ctx context.Context, h *serving.Handle, signature string, examples [][]byte, deadline time.Time, opts ...inference.Option) (*R, error)

// record is predictionlog.Classify or predictionlog.Regress.
type record[R any] func(h *serving.Handle, asked *apis_go_proto.ModelSpec, examples [][]byte, result *R) *apis_go_proto.PredictionLog

// infer runs a request's examples on the version it asks for, and says which that was.
func infer[R any](ctx context.Context, s *Server, req *inferRequest, run runExamples[R], record record[R]) (*R, *apis_go_proto.ModelSpec, error) {
	if req.spec == nil {
		return nil, nil, errMissingModelSpec
	}
	h, err := s.handle(req.spec)
	if err != nil {
		return nil, nil, err
	}
	defer h.Release()
	examples, err := inference.SerializedExamples(req.input)
	if err != nil {
		return nil, nil, err
	}
	call := &req.call
	call.Version, call.Signature, call.Examples = h.Version, signatureOf(h, req.spec.GetSignatureName()), len(examples)
	call.Decode = call.Lap()
	defer func() { call.Run = call.Lap() }()
	result, err := run(ctx, h, req.spec.GetSignatureName(), examples, s.deadline(ctx), s.checks...)
	if err != nil {
		return nil, nil, err
	}
	if log := s.opts.Logs.For(h.Model); log.Sampled() {
		log.Write(record(h, req.spec, examples, result))
	}
	return result, inference.ModelSpec(h, req.spec), nil
}

// multiInference takes the version from the first task; all tasks run on it.
func (s *Server) multiInference(ctx context.Context, req *multiRequest) (any, error) {
	var spec *apis_go_proto.ModelSpec
	if len(req.tasks) > 0 {
		spec = req.tasks[0].GetModelSpec()
	}
	h, err := s.handle(spec)
	if err != nil {
		return nil, err
	}
	defer h.Release()
	examples, err := inference.SerializedExamples(req.input)
	if err != nil {
		return nil, err
	}
	call := &req.call
	call.Version, call.Examples = h.Version, len(examples)
	call.Decode = call.Lap()
	defer func() { call.Run = call.Lap() }()
	response, err := inference.MultiInference(ctx, h, req.tasks, examples, s.deadline(ctx), s.checks...)
	if err != nil {
		return nil, err
	}
	if log := s.opts.Logs.For(h.Model); log.Sampled() {
		log.Write(predictionlog.MultiInference(h, req.tasks, examples, response))
	}
	return response, nil
}

// signatureOf is the signature's key where the model has it, and else "": a client's word is no label.
func signatureOf(h *serving.Handle, name string) string {
	if sig, ok := h.Signature(name); ok {
		return sig.Name
	}
	return ""
}
