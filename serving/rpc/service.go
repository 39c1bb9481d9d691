package rpc

import (
	"context"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

// The services' full names.
const (
	PredictionService = "tensorflow.serving.PredictionService"
	ModelService      = "tensorflow.serving.ModelService"
)

// The descriptors are written by hand since the binding publishes the messages without gRPC's part. Metadata names the
// file by which server reflection finds the methods' types.
var predictionDesc = grpc.ServiceDesc{
	ServiceName: PredictionService,
	HandlerType: (*any)(nil),
	Metadata:    "tensorflow_serving/apis/prediction_service.proto",
	Methods: []grpc.MethodDesc{
		method(PredictionService, "Predict", (*Server).predict),
		method(PredictionService, "Classify", (*Server).classify),
		method(PredictionService, "Regress", (*Server).regress),
		method(PredictionService, "MultiInference", (*Server).multiInference),
		method(PredictionService, "GetModelMetadata", (*Server).modelMetadata),
	},
}

var modelDesc = grpc.ServiceDesc{
	ServiceName: ModelService,
	HandlerType: (*any)(nil),
	Metadata:    "tensorflow_serving/apis/model_service.proto",
	Methods: []grpc.MethodDesc{
		method(ModelService, "GetModelStatus", (*Server).modelStatus),
		method(ModelService, "HandleReloadConfigRequest", (*Server).reloadConfig),
	},
}

// method describes a unary call that f answers.
func method[Request any](service, name string, f func(*Server, context.Context, *Request) (any, error)) grpc.MethodDesc {
	full := "/" + service + "/" + name
	return grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		req := new(Request)
		if err := decode(req); err != nil {
			return nil, err
		}
		handler := func(ctx context.Context, req any) (any, error) { return f(srv.(*Server), ctx, req.(*Request)) }
		return interceptor(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: full}, handler)
	}}
}

// handle resolves the version that a model_spec asks for and pins it.
func (s *Server) handle(spec *apis_go_proto.ModelSpec) (*serving.Handle, error) {
	if spec.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "ModelSpec has no name specified.")
	}
	asked := serving.Spec{Model: spec.GetName()}
	switch choice := spec.GetVersionChoice().(type) {
	case *apis_go_proto.ModelSpec_Version:
		v := choice.Version.GetValue()
		asked.Version = &v
	case *apis_go_proto.ModelSpec_VersionLabel:
		if choice.VersionLabel == "" { // to serving.Spec this would be no label at all
			return nil, status.Error(codes.InvalidArgument, "Unrecognized servable version label: ")
		}
		asked.Label = choice.VersionLabel
	}
	return s.opts.Core.Handle(asked)
}

func (r *predictRequest) model() string { return r.spec.GetName() }
func (r *inferRequest) model() string   { return r.spec.GetName() }

func (r *multiRequest) model() string {
	if len(r.tasks) == 0 {
		return ""
	}
	return r.tasks[0].GetModelSpec().GetName()
}
