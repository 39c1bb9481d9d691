package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"shoal/serving/rpc/rpctest"
)

// rpcOutcomes are the codes of each call, by testKeys. Reload is asked for the models that are served already.
type rpcOutcomes struct{ predict, metadata, status, reload, health, reflection [4]codes.Code }

func rpcCodes(c ...codes.Code) [4]codes.Code { return [4]codes.Code(c) }

var (
	rpcFree     = rpcCodes(codes.OK, codes.OK, codes.OK, codes.OK)
	rpcForUsers = rpcCodes(codes.Unauthenticated, codes.Unauthenticated, codes.OK, codes.OK)
	rpcForAdmin = rpcCodes(codes.Unauthenticated, codes.Unauthenticated, codes.PermissionDenied, codes.OK)
	rpcRefused  = rpcCodes(codes.Unauthenticated, codes.Unauthenticated, codes.PermissionDenied, codes.PermissionDenied)
	rpcUsual    = rpcOutcomes{rpcForUsers, rpcForUsers, rpcForUsers, rpcForAdmin, rpcFree, rpcForUsers}
)

func checkRPC(t *testing.T, address, root string, want rpcOutcomes) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	spec := &apis_go_proto.ModelSpec{Name: "half_plus_two"}
	calls := []struct {
		name string
		want [4]codes.Code
		do   func(ctx context.Context) error
	}{
		{"Predict", want.predict, func(ctx context.Context) error {
			y, _, err := predictRPC(ctx, conn, "half_plus_two", 1)
			if err == nil && y != 3.5 {
				t.Errorf("the answer is %v", y)
			}
			return err
		}},
		{"GetModelMetadata", want.metadata, func(ctx context.Context) error {
			return rpctest.Call(ctx, conn, "GetModelMetadata", &apis_go_proto.GetModelMetadataRequest{ModelSpec: spec, MetadataField: []string{"signature_def"}}, new(apis_go_proto.GetModelMetadataResponse))
		}},
		{"GetModelStatus", want.status, func(ctx context.Context) error {
			return rpctest.Call(ctx, conn, "GetModelStatus", &apis_go_proto.GetModelStatusRequest{ModelSpec: spec}, new(apis_go_proto.GetModelStatusResponse))
		}},
		{"HandleReloadConfigRequest", want.reload, func(ctx context.Context) error { return reloadRPC(ctx, conn, halfAt(root+"/half_plus_two")) }},
		{"health", want.health, func(ctx context.Context) error {
			_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}},
		{"reflection", want.reflection, func(ctx context.Context) error {
			stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
			if err != nil {
				return err
			}
			_ = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}) // Recv says why it failed
			_, err = stream.Recv()
			return err
		}},
	}
	for _, c := range calls {
		for i, key := range testKeys {
			ctx, cancel := context.WithCancel(t.Context())
			if key != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
			}
			err := c.do(ctx)
			if status.Code(err) != c.want[i] {
				t.Errorf("%s with key %q: %v, want %v", c.name, key, err, c.want[i])
			}
			if err != nil && strings.Contains(err.Error(), "-key-0123456789") {
				t.Errorf("%s: a key is in the error: %v", c.name, err)
			}
			cancel()
		}
	}
}
