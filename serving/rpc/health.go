package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// healthServices are those that a health check may ask for; the short names are those that tensorflow_model_server reports.
func (s *Server) healthServices() []string {
	return append([]string{"", "PredictionService", "ModelService"}, s.services...)
}

// health is grpc.health.v1: serving when every configured model has an available version and the server is not draining.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	s *Server
}

func (h health) state(service string) (grpc_health_v1.HealthCheckResponse_ServingStatus, bool) {
	for _, name := range h.s.healthServices() {
		if name != service {
			continue
		}
		if !h.s.Ready() {
			return grpc_health_v1.HealthCheckResponse_NOT_SERVING, true
		}
		return grpc_health_v1.HealthCheckResponse_SERVING, true
	}
	return grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN, false
}

// Check answers for one service.
func (h health) Check(_ context.Context, req *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	state, ok := h.state(req.GetService())
	if !ok {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: state}, nil
}

// List answers for all services.
func (h health) List(context.Context, *grpc_health_v1.HealthListRequest) (*grpc_health_v1.HealthListResponse, error) {
	resp := &grpc_health_v1.HealthListResponse{Statuses: map[string]*grpc_health_v1.HealthCheckResponse{}}
	for _, name := range h.s.healthServices() {
		state, _ := h.state(name)
		resp.Statuses[name] = &grpc_health_v1.HealthCheckResponse{Status: state}
	}
	return resp, nil
}

// Watch sends the state now and when it changes. A shutdown is sent too, and ends the stream, so that a watcher does not delay it.
func (h health) Watch(req *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	ticker := time.NewTicker(h.s.opts.HealthInterval)
	defer ticker.Stop()
	last := grpc_health_v1.HealthCheckResponse_ServingStatus(-1)
	for {
		state, _ := h.state(req.GetService())
		if state != last {
			last = state
			if err := stream.Send(&grpc_health_v1.HealthCheckResponse{Status: state}); err != nil {
				return err
			}
		}
		if h.s.isDraining() {
			return status.Error(codes.Unavailable, "the server is shutting down")
		}
		select {
		case <-ticker.C:
		case <-h.s.draining:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}
