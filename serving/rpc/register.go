package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"shoal/serving/access"
)

// Service is a gRPC service beside those of TensorFlow Serving. Its description is made with Method and Stream.
type Service struct {
	Desc *grpc.ServiceDesc
	// Roles are those of its methods, by their names. A method that is not listed needs a key for prediction. One of the role
	// Admin is answered only where administration is (Options.AdminRefused).
	Roles map[string]access.Role
}

// Register adds a service. It must be called before Serve.
func (s *Server) Register(service Service) {
	s.grpc.RegisterService(service.Desc, s)
	add := func(name string) {
		full := "/" + service.Desc.ServiceName + "/" + name
		s.methods[full] = name
		if role, ok := service.Roles[name]; ok {
			s.roles[full] = role
		}
	}
	for _, m := range service.Desc.Methods {
		add(m.MethodName)
	}
	for _, m := range service.Desc.Streams {
		add(m.StreamName)
	}
	s.services = append(s.services, service.Desc.ServiceName)
}

// Options are what the server was made of.
func (s *Server) Options() *Options { return &s.opts }

// Ready says whether every configured model can answer and the server is not draining.
func (s *Server) Ready() bool {
	ready, _ := s.opts.Core.Ready()
	return ready && !s.isDraining()
}

// Deadline is the client's, or else the server's default for calls without one; zero: none.
func (s *Server) Deadline(ctx context.Context) time.Time { return s.deadline(ctx) }

// MemoryFor is what the inputs of a message of that many bytes may take in memory besides it.
func (s *Server) MemoryFor(received int) int64 {
	return max(s.opts.maxRequestBytes(), expansion*int64(received))
}

// NewResponse takes memory for size bytes and lets write append exactly those.
func (s *Server) NewResponse(size int, write func(dst []byte) []byte) (*Response, error) {
	return newResponse(s.opts.Budget, size, write)
}
