package rpc

import (
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

// The descriptors are written by hand, because the binding has the messages without the services. Metadata names the file in
// which server reflection finds the methods' types.
func (s *Server) predictionDesc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: PredictionService,
		HandlerType: (*any)(nil),
		Metadata:    "tensorflow_serving/apis/prediction_service.proto",
		Methods: []grpc.MethodDesc{
			Method(s, PredictionService, "Predict", s.predict),
			Method(s, PredictionService, "Classify", s.classify),
			Method(s, PredictionService, "Regress", s.regress),
			Method(s, PredictionService, "MultiInference", s.multiInference),
			Method(s, PredictionService, "GetModelMetadata", s.modelMetadata),
		},
	}
}

func (s *Server) modelDesc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: ModelService,
		HandlerType: (*any)(nil),
		Metadata:    "tensorflow_serving/apis/model_service.proto",
		Methods: []grpc.MethodDesc{
			Method(s, ModelService, "GetModelStatus", s.modelStatus),
			Method(s, ModelService, "HandleReloadConfigRequest", s.reloadConfig),
		},
	}
}

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
		if choice.VersionLabel == "" { // in serving.ModelSpec this would mean that there is no label
			return asked, status.Error(codes.InvalidArgument, "Unrecognized servable version label: ")
		}
		asked.Label = choice.VersionLabel
	}
	return asked, nil
}

// ModelName implements WireRequest.
func (r *predictRequest) ModelName() string { return r.spec.GetName() }

// ModelName implements WireRequest.
func (r *inferRequest) ModelName() string { return r.spec.GetName() }
