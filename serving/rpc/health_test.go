package rpc

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"shoal/serving/servingtest"
)

const (
	isServing  = grpc_health_v1.HealthCheckResponse_SERVING
	notServing = grpc_health_v1.HealthCheckResponse_NOT_SERVING
)

func TestHealthCheck(t *testing.T) {
	c := newCore()
	conn, s := startServer(t, Options{Core: c})
	client := grpc_health_v1.NewHealthClient(conn)
	check := func(service string, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		resp, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || resp.Status != want {
			t.Errorf("%q: got %v, %v; want %v", service, resp, err, want)
		}
	}
	for _, name := range []string{"", PredictionService, ModelService, "PredictionService", "ModelService"} {
		check(name, isServing)
	}
	_, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "nope"})
	servingtest.WantStatus(t, err, codes.NotFound, "unknown service")
	c.SetReasons("m: loading")
	check("", notServing)
	c.SetReasons()
	check("", isServing)
	s.Drain()
	check("", notServing)
	list, err := client.List(t.Context(), &grpc_health_v1.HealthListRequest{})
	if err != nil || len(list.Statuses) != 5 || list.Statuses[PredictionService].Status != notServing {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestHealthWatch(t *testing.T) {
	c := newCore()
	c.SetReasons("m: loading")
	conn, s := startServer(t, Options{Core: c, HealthInterval: time.Millisecond})
	stream, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if resp, err := stream.Recv(); err != nil || resp.Status != want {
			t.Fatalf("got %v, %v; want %v", resp, err, want)
		}
	}
	next(notServing)
	c.SetReasons()
	next(isServing)
	unknown, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "nope"})
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := unknown.Recv(); err != nil || resp.Status != grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
		t.Errorf("got %v, %v", resp, err)
	}
	// The watchers do not hold up a graceful end: it has no bound here.
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	next(notServing)
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}
