package rpc

import (
	"context"

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
// wants the examples in that form. It is the inference.Codec of its call.
type inferRequest struct {
	Carrier
	method inference.Method
	spec   *apis_go_proto.ModelSpec       // nil: not sent
	tasks  []*apis_go_proto.InferenceTask // of MultiInference
	input  []byte
	server *Server // whose it is
	result proto.Message
}

// Unmarshal implements WireRequest.
func (r *inferRequest) Unmarshal(data mem.BufferSlice) (err error) {
	r.Exchange.Received = data.Len()
	r.input, err = splitInput(data, inferModelSpec, func(wire []byte) (err error) {
		r.spec, err = mergeModelSpec(r.spec, wire)
		return err
	})
	return err
}

// multiRequest is a MultiInferenceRequest in the same way. Its spec is the first task's.
type multiRequest struct{ inferRequest }

// Unmarshal implements WireRequest.
func (r *multiRequest) Unmarshal(data mem.BufferSlice) (err error) {
	r.Exchange.Received = data.Len()
	r.input, err = splitInput(data, multiTasks, func(wire []byte) error {
		task := new(apis_go_proto.InferenceTask)
		r.tasks = append(r.tasks, task)
		return proto.Unmarshal(wire, task)
	})
	if len(r.tasks) > 0 {
		r.spec = r.tasks[0].GetModelSpec()
	}
	return err
}

// splitInput returns the serialised Input of a request, and calls each with the values of the other field. The Input is a copy
// that the garbage collector frees, because the examples outlive the call if the client leaves.
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
	return s.infer(ctx, req, inference.Classify)
}

func (s *Server) regress(ctx context.Context, req *inferRequest) (any, error) {
	return s.infer(ctx, req, inference.Regress)
}

// multiInference takes the version from the first task; all tasks run on it.
func (s *Server) multiInference(ctx context.Context, req *multiRequest) (any, error) {
	return s.infer(ctx, &req.inferRequest, inference.MultiInference)
}

func (s *Server) infer(ctx context.Context, req *inferRequest, method inference.Method) (any, error) {
	req.server, req.method = s, method
	call := &req.Exchange.Call
	defer call.Unpin()
	if err := inference.Infer(ctx, call, req); err != nil {
		return nil, err
	}
	call.Encode = 0 // gRPC encodes the message later
	return req.result, nil
}

// DecodeExamples implements inference.Codec.
func (r *inferRequest) DecodeExamples(ctx context.Context, c *serving.Call) (req inference.Request, err error) {
	if r.spec == nil && r.method != inference.MultiInference {
		return req, errMissingModelSpec
	}
	spec, err := asked(r.spec)
	if err != nil {
		return req, err
	}
	if err := c.Pin(r.server.opts.Core, spec); err != nil {
		return req, err
	}
	req = inference.Request{
		Method: r.method, Tasks: r.tasks, Deadline: r.server.deadline(ctx), CheckMethodName: r.server.opts.CheckMethodName,
	}
	if r.method != inference.MultiInference {
		req.Signature = r.spec.GetSignatureName()
	}
	req.Examples, err = inference.SerializedExamples(r.input)
	return req, err
}

// EncodeResult implements inference.Codec.
func (r *inferRequest) EncodeResult(c *serving.Call, req inference.Request, result inference.Result) error {
	switch req.Method {
	case inference.Classify:
		r.result = &apis_go_proto.ClassificationResponse{Result: result.Classification, ModelSpec: inference.ModelSpec(c.Handle, r.spec)}
	case inference.Regress:
		r.result = &apis_go_proto.RegressionResponse{Result: result.Regression, ModelSpec: inference.ModelSpec(c.Handle, r.spec)}
	case inference.MultiInference:
		r.result = result.Multi
	}
	return nil
}

// SampleResult implements inference.Codec.
func (r *inferRequest) SampleResult(c *serving.Call, req inference.Request, result inference.Result) {
	if log := r.server.opts.Logs.For(c.Handle.Model); log.Sampled() {
		log.Write(predictionlog.Inference(c.Handle, r.spec, req, result))
	}
}
