package rpc

import (
	"context"
	"sync"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/tensor"
)

// The services' full names.
const (
	PredictionService = "tensorflow.serving.PredictionService"
	ModelService      = "tensorflow.serving.ModelService"
)

// The descriptors are written by hand since the binding publishes the messages without gRPC's part. Metadata names the
// file by which server reflection finds the methods' types.
func (s *Server) predictionDesc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: PredictionService,
		HandlerType: (*any)(nil),
		Metadata:    "tensorflow_serving/apis/prediction_service.proto",
		Methods: []grpc.MethodDesc{
			method(s, PredictionService, "Predict", s.predict),
			method(s, PredictionService, "Classify", s.classify),
			method(s, PredictionService, "Regress", s.regress),
			method(s, PredictionService, "MultiInference", s.multiInference),
			method(s, PredictionService, "GetModelMetadata", s.modelMetadata),
		},
	}
}

func (s *Server) modelDesc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: ModelService,
		HandlerType: (*any)(nil),
		Metadata:    "tensorflow_serving/apis/model_service.proto",
		Methods: []grpc.MethodDesc{
			method(s, ModelService, "GetModelStatus", s.modelStatus),
			method(s, ModelService, "HandleReloadConfigRequest", s.reloadConfig),
		},
	}
}

// method describes a unary call that f answers. Requests that can be reset are used again.
func method[Request any](s *Server, service, name string, f func(context.Context, *Request) (any, error)) grpc.MethodDesc {
	type slot struct {
		req Request
		in  intake
	}
	pool := sync.Pool{New: func() any {
		c := new(slot)
		if r, ok := any(&c.req).(interface{ within(*tensor.Budget) }); ok {
			r.within(s.opts.Budget)
		}
		return c
	}}
	info := &grpc.UnaryServerInfo{Server: s, FullMethod: "/" + service + "/" + name}
	handler := func(ctx context.Context, req any) (any, error) {
		if r, ok := req.(recorded); ok {
			if err := s.opts.checkSize(r.record().sent); err != nil {
				return nil, err
			}
		}
		return f(ctx, req.(*Request))
	}
	return grpc.MethodDesc{MethodName: name, Handler: func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		c := pool.Get().(*slot)
		req := &c.req
		defer func() {
			c.in.lease.Free()
			if r, ok := any(req).(interface{ reset() }); ok {
				r.reset()
				pool.Put(c)
			}
		}()
		if err := s.receive(ctx, &c.in, req, decode); err != nil {
			err = s.toStatus(info.FullMethod, "", err)
			s.refused(ctx, name, err)
			return nil, err
		}
		return interceptor(ctx, req, info, handler)
	}}
}

// recorded is a request that carries the record of its call, for its handler to complete.
type recorded interface {
	record() *exchange
	model() string // as the request names it
}

// carrier is the part that all of these have.
type carrier struct {
	call   exchange
	budget *tensor.Budget
}

func (c *carrier) within(b *tensor.Budget) { c.budget = b }

func (c *carrier) record() *exchange { return &c.call }

// handle resolves the version that a model_spec asks for and pins it.
func (s *Server) handle(spec *apis_go_proto.ModelSpec) (*serving.Handle, error) {
	asked, err := asked(spec)
	if err != nil {
		return nil, err
	}
	return s.opts.Core.Handle(asked)
}

// asked is the version that a model_spec asks for.
func asked(spec *apis_go_proto.ModelSpec) (asked serving.ModelSpec, err error) {
	if spec.GetName() == "" {
		return asked, status.Error(codes.InvalidArgument, "ModelSpec has no name specified.")
	}
	asked.Model = spec.GetName()
	switch choice := spec.GetVersionChoice().(type) {
	case *apis_go_proto.ModelSpec_Version:
		v := choice.Version.GetValue()
		asked.Version = &v
	case *apis_go_proto.ModelSpec_VersionLabel:
		if choice.VersionLabel == "" { // to serving.ModelSpec this would be no label at all
			return asked, status.Error(codes.InvalidArgument, "Unrecognized servable version label: ")
		}
		asked.Label = choice.VersionLabel
	}
	return asked, nil
}

func (r *predictRequest) model() string { return r.spec.GetName() }
func (r *inferRequest) model() string   { return r.spec.GetName() }
