package rpc

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"shoal/serving/rpc/rpctest"
)

// start serves opts on a loopback port and gives a connection to it; both end with the test, which then has to have
// given back every handle.
func start(t testing.TB, opts Options) *grpc.ClientConn {
	t.Helper()
	conn, _ := startServer(t, opts)
	return conn
}

func startServer(t testing.TB, opts Options) (*grpc.ClientConn, *Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, opts, l)
	return dial(t, l.Addr().String(), insecure.NewCredentials()), s
}

func serve(t testing.TB, opts Options, listeners ...net.Listener) *Server {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(listeners...) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if c, ok := opts.Core.(*core); ok && c.Pinned() != 0 {
			t.Errorf("%d handles were not released", c.Pinned())
		}
	})
	return s
}

func dial(t testing.TB, target string, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestRecordedAnswers(t *testing.T) {
	cases := rpctest.Load(t, "../../e2e/testdata/grpc_cases.jsonl")
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	rpctest.Replay(t, start(t, Options{Core: newCore()}), cases)
}
