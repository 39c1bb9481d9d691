package rpc

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"

	"shoal/serving"
	"shoal/serving/access"
	"shoal/serving/predictionlog"
	"shoal/tensor"
)

// Options are the settings of a Server. Only Core is required.
type Options struct {
	Core   serving.Core
	Logger *slog.Logger // nil: nothing is logged

	// Reload applies a new configuration and returns when it is in effect. nil: HandleReloadConfigRequest is rejected.
	Reload func(ctx context.Context, config *config_go_proto.ModelServerConfig) error
	// ReloadRefused is the reason why HandleReloadConfigRequest is rejected with PERMISSION_DENIED; "": it is not.
	ReloadRefused string
	// AdminRefused is the reason why other calls that need a key for administration are rejected with PERMISSION_DENIED; "": they
	// are not.
	AdminRefused string
	// Keys are the valid keys: calls need one, and HandleReloadConfigRequest one for administration. nil: no key is needed.
	Keys *access.Keys
	// Counter reads a metric by TensorFlow Serving's name, for the increases a ReloadConfigResponse reports. nil: all 0.
	Counter func(name string) int64
	// Logs keeps a sample of the answered requests. nil: none are kept.
	Logs *predictionlog.Logs
	// Observer receives every unary call; nil: none.
	Observer serving.Observer
	// MakeRequestIDs gives an x-request-id to calls without one. A client's own is always echoed.
	MakeRequestIDs bool

	// Budget is the memory that all requests may hold; nil: unlimited. MinTransferRate is the least rate, in bytes per second, of
	// a large message; 0: any.
	Budget          *tensor.Budget
	MinTransferRate int64

	TLS                      *config_go_proto.SSLConfig // --ssl_config_file; nil: plain text
	MaxMessageBytes          int64                      // of a request, inflated: --max_request_bytes if it is set; 0: gRPC's own limit
	MaxRequestBytes          int64                      // --max_request_bytes, the memory that a short request's inputs may take; 0: no limit
	MaxConcurrentStreams     uint32                     // --grpc_max_threads, for each connection; 0: no limit
	ChannelArguments         ChannelArguments           // --grpc_channel_arguments
	SerializeAsTensorContent bool                       // --enable_serialization_as_tensor_content
	CheckMethodName          bool                       // --enable_signature_method_name_check
	DefaultTimeout           time.Duration              // for calls without a deadline of their own; 0: none
	HealthInterval           time.Duration              // how often the state is checked for health watchers; 0: 1 s

	// ServerOptions are added to the server's own: tracing and metrics handlers.
	ServerOptions []grpc.ServerOption
}

// Validate lists every fault.
func (o *Options) Validate() error {
	var errs []error
	if o.Core == nil {
		errs = append(errs, errors.New("rpc: Core is missing"))
	}
	if o.MaxRequestBytes < 0 || o.MaxMessageBytes < 0 {
		errs = append(errs, errors.New("rpc: MaxRequestBytes and MaxMessageBytes (--max_request_bytes) must not be negative"))
	}
	if o.DefaultTimeout < 0 || o.HealthInterval < 0 {
		errs = append(errs, errors.New("rpc: DefaultTimeout and HealthInterval must not be negative"))
	}
	if _, err := tlsConfig(o.TLS); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (o *Options) ensureDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.HealthInterval == 0 {
		o.HealthInterval = time.Second
	}
	o.Observer = serving.Join(o.Observer)
	if o.Counter == nil {
		o.Counter = func(string) int64 { return 0 }
	}
}

// maxRequestBytes returns how much memory a request's inputs may take if they take more than the message.
func (o *Options) maxRequestBytes() int64 {
	if o.MaxRequestBytes == 0 || o.ChannelArguments.MaxReceiveBytes != 0 {
		return o.maxMessageBytes()
	}
	return o.MaxRequestBytes
}

// These options give the most calls per processor time. Clients see no difference.
const (
	// Goroutines that answer one call after the other keep the stack that a call needs; a new goroutine has to grow it. If there
	// are more calls than these goroutines, the others get new ones.
	streamWorkers = 64
	// Windows of a fixed size need no pings to find their size. A message that is larger than a stream's window still arrives,
	// because reading it opens the window.
	streamWindow = 1 << 20
	// Default number of calls at once on one connection. More calls would only wait here instead of at the client.
	maxStreams = 1024
	connWindow = 16 << 20
)

// grpcOptions are the options of the underlying server, without interceptors.
func (o *Options) grpcOptions() ([]grpc.ServerOption, error) {
	args := o.ChannelArguments
	opts := []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec(o.maxMessageBytes())),
		grpc.MaxRecvMsgSize(int(min(2*o.maxMessageBytes(), math.MaxInt32))), // checkSize has the limit itself
		grpc.MaxSendMsgSize(args.maxSendBytes()),
		grpc.WaitForHandlers(true),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		experimental.BufferPool(blocks{}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle:     args.MaxConnectionIdle,
			MaxConnectionAge:      args.MaxConnectionAge,
			MaxConnectionAgeGrace: args.MaxConnectionAgeGrace,
			Time:                  args.KeepaliveTime,
			Timeout:               args.KeepaliveTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             args.MinPingInterval,
			PermitWithoutStream: args.PermitPingsWithoutCalls,
		}),
	}
	opts = append(opts, grpc.MaxConcurrentStreams(cmp.Or(o.MaxConcurrentStreams, maxStreams)))
	tls, err := tlsConfig(o.TLS)
	if err != nil {
		return nil, err
	}
	if tls != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(tls)))
	}
	return append(opts, o.ServerOptions...), nil
}
