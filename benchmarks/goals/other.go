package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"

	"shoal/benchmarks/limits"
)

// The comparison servers are this program again, called with one of these words.
const (
	roleEcho  = "serve-echo"
	roleFloor = "serve-floor"
	roleGRPC  = "serve-grpc"
)

// startOther runs this program as a comparison server that answers with as many bytes as answer has.
func startOther(ctx context.Context, role string, answer []byte) (*limits.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address := limits.FreeAddress()
	cmd := exec.Command(self, role, address)
	cmd.Stdin = bytes.NewReader(answer)
	p, err := limits.Start(ctx, cmd, address)
	if role == roleGRPC && err == nil {
		p.GRPC = address
	}
	return p, err
}

// serveOther is the other side of startOther.
func serveOther(role, address string, answer []byte) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	switch role {
	case roleFloor:
		return limits.Floor(l, answer)
	case roleGRPC:
		return limits.EchoGRPC(l, answer)
	}
	return limits.NewEcho(answer, 64<<20).Serve(l)
}
