package e2e

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"shoal/serving/rpc/rpctest"
)

// dial connects to the server's gRPC port.
func (s *server) dial(opts ...grpc.DialOption) *grpc.ClientConn {
	s.t.Helper()
	conn, err := grpc.NewClient(s.grpc, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

func TestRecordedGRPC(t *testing.T) {
	cases := rpctest.Load(t, "testdata/grpc_cases.jsonl")
	for _, batching := range []string{"true", "false"} {
		t.Run("batching="+batching, func(t *testing.T) {
			s := start(t, "--model_config_file="+recordedConfig(t), "--allow_version_labels_for_unavailable_models=true", "--enable_batching="+batching)
			rpctest.Replay(t, s.dial(), cases)
		})
	}
}
