package rpc

import (
	"context"
	"log/slog"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"github.com/wamuir/graft/tensorflow/tsl/protobuf/for_core_protos_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// signatureDefField is the only metadata there is.
const signatureDefField = "signature_def"

// modelMetadata answers PredictionService.GetModelMetadata.
func (s *Server) modelMetadata(_ context.Context, req *apis_go_proto.GetModelMetadataRequest) (any, error) {
	if req.GetModelSpec() == nil {
		return nil, errMissingModelSpec
	}
	if len(req.GetMetadataField()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "GetModelMetadataRequest must specify at least one metadata_field")
	}
	for _, f := range req.GetMetadataField() {
		if f != signatureDefField {
			return nil, status.Errorf(codes.InvalidArgument, "Metadata field %s is not supported", f)
		}
	}
	h, err := s.handle(req.GetModelSpec())
	if err != nil {
		return nil, err
	}
	defer h.Release()
	packed, err := anypb.New(h.Describe().Metadata)
	if err != nil {
		return nil, err
	}
	return &apis_go_proto.GetModelMetadataResponse{
		ModelSpec: &apis_go_proto.ModelSpec{
			Name:          h.Model,
			VersionChoice: &apis_go_proto.ModelSpec_Version{Version: wrapperspb.Int64(h.Version)},
		},
		Metadata: map[string]*anypb.Any{signatureDefField: packed},
	}, nil
}

// modelStatus answers ModelService.GetModelStatus. It ignores a label. Without a version number it lists all versions, including
// those that have ended.
func (s *Server) modelStatus(_ context.Context, req *apis_go_proto.GetModelStatusRequest) (any, error) {
	spec := req.GetModelSpec()
	if spec == nil {
		return nil, errMissingModelSpec
	}
	var version *int64
	if choice, ok := spec.GetVersionChoice().(*apis_go_proto.ModelSpec_Version); ok {
		v := choice.Version.GetValue()
		version = &v
	}
	versions, err := s.opts.Core.Status(spec.GetName(), version)
	if err != nil {
		return nil, err
	}
	resp := &apis_go_proto.GetModelStatusResponse{}
	for _, v := range versions {
		resp.ModelVersionStatus = append(resp.ModelVersionStatus, &apis_go_proto.ModelVersionStatus{
			Version: v.Version,
			State:   apis_go_proto.ModelVersionStatus_State(v.State),
			Status:  statusProto(v.Err),
		})
	}
	return resp, nil
}

// statusProto converts an error to the form of TensorFlow Serving's messages. Its codes have gRPC's numbers.
func statusProto(err error) *apis_go_proto.StatusProto {
	st := status.Convert(err)
	return &apis_go_proto.StatusProto{ErrorCode: for_core_protos_go_proto.Code(st.Code()), ErrorMessage: st.Message()}
}

// reloadConfig answers ModelService.HandleReloadConfigRequest when the configuration is in effect or has been rejected.
func (s *Server) reloadConfig(ctx context.Context, req *apis_go_proto.ReloadConfigRequest) (any, error) {
	before := make(map[string]int64, len(req.GetMetricNames()))
	for _, name := range req.GetMetricNames() {
		before[name] = s.opts.Counter(name)
	}
	if err := s.reload(ctx, req.GetConfig()); err != nil {
		s.opts.Logger.Error("new configuration refused", slog.String("reason", status.Convert(err).Message()))
		return nil, err
	}
	resp := &apis_go_proto.ReloadConfigResponse{Status: statusProto(nil)}
	for name, value := range before {
		resp.Metric = append(resp.Metric, &apis_go_proto.Metric{
			Name:          name,
			ValueIncrease: &apis_go_proto.Metric_Int64ValueIncrease{Int64ValueIncrease: s.opts.Counter(name) - value},
		})
	}
	return resp, nil
}

func (s *Server) reload(ctx context.Context, config *config_go_proto.ModelServerConfig) error {
	if _, ok := config.GetConfig().(*config_go_proto.ModelServerConfig_ModelConfigList); !ok {
		return status.Error(codes.InvalidArgument, "ServerModelConfig type not supported by HandleReloadConfigRequest."+
			" Only ModelConfigList is currently supported")
	}
	if s.opts.Reload == nil {
		return status.Error(codes.Unimplemented, "this server's configuration cannot be changed by a call")
	}
	return s.opts.Reload(ctx, config)
}
