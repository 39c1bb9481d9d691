package oiprpc

import (
	"cmp"
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/oip"
	"shoal/serving/oip/inferencepb"
)

// refuse answers a call with an error.
func refuse[Request any](err error) func(context.Context, *Request) (any, error) {
	return func(context.Context, *Request) (any, error) { return nil, err }
}

func (s *service) serverLive(context.Context, *inferencepb.ServerLiveRequest) (any, error) {
	return &inferencepb.ServerLiveResponse{Live: true}, nil
}

func (s *service) serverReady(context.Context, *inferencepb.ServerReadyRequest) (any, error) {
	return &inferencepb.ServerReadyResponse{Ready: s.server.Ready()}, nil
}

// modelReady answers no for what does not exist.
func (s *service) modelReady(_ context.Context, req *inferencepb.ModelReadyRequest) (any, error) {
	return &inferencepb.ModelReadyResponse{Ready: oip.ModelReady(s.core, req.GetName(), req.GetVersion()) == nil}, nil
}

func (s *service) serverMetadata(context.Context, *inferencepb.ServerMetadataRequest) (any, error) {
	m := oip.Server(s.opts.Version)
	return &inferencepb.ServerMetadataResponse{Name: m.Name, Version: m.Version, Extensions: m.Extensions}, nil
}

// pin holds the version that a request asks for. Release the handle.
func (s *service) pin(model, version string) (*serving.Handle, error) {
	spec, err := oip.ModelSpec(model, version, "")
	if err != nil {
		return nil, err
	}
	return oip.Handle(s.core, spec)
}

func (s *service) modelMetadata(_ context.Context, req *inferencepb.ModelMetadataRequest) (any, error) {
	h, err := s.pin(req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	defer h.Release()
	m, err := oip.Metadata(s.core, h)
	if err != nil {
		return nil, err
	}
	return &inferencepb.ModelMetadataResponse{
		Name: m.Name, Versions: m.Versions, Platform: m.Platform, Inputs: tensors(m.Inputs), Outputs: tensors(m.Outputs), Properties: m.Properties,
	}, nil
}

func tensors(all []oip.TensorMetadata) []*inferencepb.ModelMetadataResponse_TensorMetadata {
	list := make([]*inferencepb.ModelMetadataResponse_TensorMetadata, len(all))
	for i, t := range all {
		list[i] = &inferencepb.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape}
	}
	return list
}

func (s *service) modelStatistics(_ context.Context, req *inferencepb.ModelStatisticsRequest) (any, error) {
	all, err := oip.Statistics(s.core, s.opts.Statistics, req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	resp := new(inferencepb.ModelStatisticsResponse)
	for i := range all {
		resp.ModelStats = append(resp.ModelStats, statistics(&all[i]))
	}
	return resp, nil
}

func statistics(m *oip.ModelStatistics) *inferencepb.ModelStatistics {
	f := &m.Inference
	stats := &inferencepb.ModelStatistics{
		Name: m.Name, Version: m.Version, LastInference: m.LastInference, InferenceCount: m.InferenceCount, ExecutionCount: m.ExecutionCount,
		InferenceStats: &inferencepb.InferStatistics{
			Success: duration(f.Success), Fail: duration(f.Fail), Queue: duration(f.Queue), ComputeInput: duration(f.ComputeInput),
			ComputeInfer: duration(f.ComputeInfer), ComputeOutput: duration(f.ComputeOutput), CacheHit: duration(f.CacheHit), CacheMiss: duration(f.CacheMiss),
		},
	}
	for _, b := range m.Batches {
		stats.BatchStats = append(stats.BatchStats, &inferencepb.InferBatchStatistics{
			BatchSize: b.BatchSize, ComputeInput: duration(b.ComputeInput), ComputeInfer: duration(b.ComputeInfer), ComputeOutput: duration(b.ComputeOutput),
		})
	}
	for _, u := range m.Memory {
		stats.MemoryUsage = append(stats.MemoryUsage, &inferencepb.MemoryUsage{Type: u.Type, Id: u.ID, ByteSize: u.ByteSize})
	}
	return stats
}

func duration(d oip.Duration) *inferencepb.StatisticDuration {
	return &inferencepb.StatisticDuration{Count: d.Count, Ns: d.Ns}
}

// repositoryModelLoad answers when the model is available or has failed.
func (s *service) repositoryModelLoad(ctx context.Context, req *inferencepb.RepositoryModelLoadRequest) (any, error) {
	if err := oip.Load(ctx, s.opts.Repository, modelToChange(req), len(req.GetParameters()) > 0); err != nil {
		return nil, err
	}
	return new(inferencepb.RepositoryModelLoadResponse), nil
}

func (s *service) repositoryModelUnload(ctx context.Context, req *inferencepb.RepositoryModelUnloadRequest) (any, error) {
	if err := oip.Unload(ctx, s.opts.Repository, modelToChange(req)); err != nil {
		return nil, err
	}
	return new(inferencepb.RepositoryModelUnloadResponse), nil
}

// modelToChange is the model that a request names. In KServe's messages the name has the number that Triton's repository name has.
func modelToChange(req interface {
	GetModelName() string
	GetRepositoryName() string
}) string {
	return cmp.Or(req.GetModelName(), req.GetRepositoryName())
}

// repositoryIndex lists the only repository there is.
func (s *service) repositoryIndex(_ context.Context, req *inferencepb.RepositoryIndexRequest) (any, error) {
	if name := req.GetRepositoryName(); name != "" {
		return nil, status.Errorf(codes.InvalidArgument, "there is no repository '%s': leave the name out", name)
	}
	resp := new(inferencepb.RepositoryIndexResponse)
	for _, e := range oip.Index(s.core, s.opts.Repository, req.GetReady()) {
		resp.Models = append(resp.Models, &inferencepb.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
	}
	return resp, nil
}
