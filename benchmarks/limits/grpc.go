package limits

import (
	"context"
	"net"
	"path"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"shoal/loadtest/load"
)

// EchoGRPC is the least that a server on grpc-go does for a prediction: it receives the message, looks at nothing of it, and
// sends the same bytes every time. What of a call's cost is gRPC's own is seen by it.
func EchoGRPC(l net.Listener, answer []byte) error {
	service, method := path.Split(load.PredictMethod)
	s := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}), grpc.MaxRecvMsgSize(1<<31-1))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: strings.Trim(service, "/"),
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: method, Handler: func(_ any, _ context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			return answer, receive(nil)
		}}},
	}, nil)
	return s.Serve(l)
}

// bytesCodec sends bytes as they are and receives nothing.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (bytesCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
