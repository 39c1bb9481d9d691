// Package rpc is the gRPC API of tensorflow_model_server: PredictionService and ModelService, with health and server reflection.
// It decodes a request's tensors from the wire into an arena, lets the servable run them, and encodes the outputs from their own
// memory to the wire. Other packages have models, versions and batches.
package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress, and are answered alike; deflate.go has another one
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"shoal/internal/backlog"
	"shoal/serving/access"
)

// Server answers gRPC calls on any number of listeners. It is safe for concurrent use.
type Server struct {
	opts  Options
	codec codec
	grpc  *grpc.Server

	// By the full names of methods; services by theirs. They do not change once it serves.
	methods  map[string]string // the own ones, and their names
	roles    map[string]access.Role
	services []string

	mu        sync.Mutex
	listeners []net.Listener

	draining chan struct{} // closed by Drain
	drain    sync.Once
	stopping chan struct{} // closed by Shutdown
	stop     sync.Once
}

// New makes a server; Serve starts it.
func New(opts Options) (*Server, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.ensureDefaults()
	s := &Server{
		opts:     opts,
		codec:    newCodec(opts.maxMessageBytes()),
		draining: make(chan struct{}),
		stopping: make(chan struct{}),
		methods:  make(map[string]string),
		roles: map[string]access.Role{
			reloadMethod: access.Admin,
			// Whoever asks after the server's health has no key.
			grpc_health_v1.Health_Check_FullMethodName: access.Nobody,
			grpc_health_v1.Health_List_FullMethodName:  access.Nobody,
			grpc_health_v1.Health_Watch_FullMethodName: access.Nobody,
		},
	}
	serverOpts, err := opts.grpcOptions()
	if err != nil {
		return nil, err
	}
	serverOpts = append(serverOpts, grpc.ChainUnaryInterceptor(s.unary), grpc.ChainStreamInterceptor(s.stream))
	if opts.Keys != nil || opts.ReloadRefused != "" || opts.AdminRefused != "" {
		serverOpts = append(serverOpts, grpc.InTapHandle(s.admit))
	}
	s.grpc = grpc.NewServer(serverOpts...)
	s.Register(Service{Desc: s.predictionDesc()})
	s.Register(Service{Desc: s.modelDesc()})
	grpc_health_v1.RegisterHealthServer(s.grpc, health{s: s})
	reflection.Register(s.grpc)
	if len(opts.ChannelArguments.Unknown) > 0 {
		opts.Logger.Warn("gRPC channel arguments without effect here", "names", opts.ChannelArguments.Unknown)
	}
	return s, nil
}

const (
	// quietTime is how long clients that have just connected may send calls before they are told to close the connection.
	quietTime = 100 * time.Millisecond
	// maxAcceptGrace bounds how long connections in the backlog are accepted after stopping has begun, if new ones keep arriving.
	maxAcceptGrace = time.Second
)

// acceptRest waits until no client waits to be accepted, because closing the listeners resets such clients.
func (s *Server) acceptRest(ctx context.Context) {
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	if len(listeners) == 0 {
		return
	}
	tick := time.NewTicker(quietTime / 20)
	defer tick.Stop()
	began := time.Now()
	for quiet := began; time.Since(quiet) < quietTime && time.Since(began) < maxAcceptGrace; {
		if slices.ContainsFunc(listeners, backlog.Waiting) {
			quiet = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Serve answers on all listeners, which it closes, until Shutdown; then it returns nil. If one of them fails, the others
// are stopped too.
func (s *Server) Serve(listeners ...net.Listener) error {
	s.mu.Lock()
	s.listeners = append(s.listeners, listeners...)
	s.mu.Unlock()
	errs := make([]error, len(listeners))
	var wg sync.WaitGroup
	for i, l := range listeners {
		wg.Go(func() {
			if errs[i] = s.grpc.Serve(l); errs[i] != nil && !errors.Is(errs[i], grpc.ErrServerStopped) {
				errs[i] = fmt.Errorf("gRPC on %v: %w", l.Addr(), errs[i])
				s.grpc.Stop()
			} else {
				errs[i] = nil
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Drain makes health report NOT_SERVING. The server goes on answering. It is the first step of a shutdown.
func (s *Server) Drain() { s.drain.Do(func() { close(s.draining) }) }

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// Shutdown accepts no new calls and waits for the current ones. If ctx ends first, it cancels them, and returns the error of ctx
// when their handlers have returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.acceptRest(ctx)
	s.stop.Do(func() { close(s.stopping) })
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return ctx.Err()
	}
}

// socketAnswers is how long a listening socket may take to accept: its process need not do anything for it.
const socketAnswers = 2 * time.Second

// CheckUnix returns an error if it is not possible to listen on a UNIX socket now. It also reports whether an earlier process has
// left the socket.
func CheckUnix(path string) (left bool, err error) {
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSocket == 0 {
		return false, nil
	}
	// Only a refused connection means that nobody listens: a server whose backlog is full does not answer either.
	conn, err := net.DialTimeout("unix", path, socketAnswers)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return false, fmt.Errorf("--grpc_socket_path: %s: another server listens there: %w", path, cmp.Or(err, error(syscall.EADDRINUSE)))
	}
	return true, nil
}

// ListenUnix listens on a UNIX socket (--grpc_socket_path). It replaces a socket that an earlier process has left, but not one on
// which a process listens.
func ListenUnix(path string) (net.Listener, error) {
	left, err := CheckUnix(path)
	if err != nil {
		return nil, err
	}
	if left {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("--grpc_socket_path: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("--grpc_socket_path: %w", err)
	}
	return l, nil
}
