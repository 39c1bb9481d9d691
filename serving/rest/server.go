// Package rest is the HTTP server of the REST APIs, on Fiber: listener, connections, bodies and their limits, compression, CORS,
// request ids, keys, errors, the record of each request, and the server's own health. The protocols are packages of their own, each
// an API: v1 is TensorFlow Serving's.
package rest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"shoal/serving"
	"shoal/serving/access"
	"shoal/tensor"
)

// DefaultMaxRequestBytes is the size of a body, as sent and inflated, that TensorFlow Serving accepts when compressed.
const DefaultMaxRequestBytes = 100 << 20

const (
	// maxHeaderBytes bounds the request line and the headers together; it is a buffer of every open connection.
	maxHeaderBytes = 16 << 10
	// transferTimeout bounds the arrival of one request, the departure of its answer and the pause between two: enough for
	// slow networks and large bodies, and longer than a load balancer usually keeps an idle connection. One value for all
	// three lets a connection keep its deadlines from one request to the next.
	transferTimeout = 10 * time.Minute
	// maxIdleBuffer is the largest buffer that a connection keeps from one request to the next.
	maxIdleBuffer = 64 << 10
	// quietTime is how long stopping waits before it closes idle connections. In that time a client that sends without a pause gets
	// "Connection: close" with an answer, so no connection is closed just before a request.
	quietTime = 200 * time.Millisecond
	// abortTime is how long requests that were cancelled at the end of a shutdown have to be answered.
	abortTime = 5 * time.Second
)

// Options configures a Server. Core is required.
type Options struct {
	Core            serving.Core
	Logger          *slog.Logger   // nil: nothing is logged
	Version         string         // the server's own version, which /healthz shows
	Timeout         time.Duration  // from a request's arrival to its deadline; 0: none
	MaxRequestBytes int            // of a body, as sent and inflated; 0: DefaultMaxRequestBytes
	DecodeLimit     int            // bodies decoded at once; 0: one less than GOMAXPROCS
	MinTransferRate int64          // bytes per second while a request arrives or an answer is sent; 0: any
	Budget          *tensor.Budget // of what all requests hold; nil: unlimited
	CORS            bool           // answer with Access-Control-Allow-* headers
	TLS             *tls.Config    // nil: plain HTTP
	// APIs are the server's protocols, each under its own paths.
	APIs []API
	// Observer receives every request of an API; nil: none.
	Observer serving.Observer
	// MakeRequestIDs gives an X-Request-Id to requests without one. A client's own is always echoed.
	MakeRequestIDs bool
	// Paths are other pages by exact path, such as that of the metrics. They must not be paths of an API.
	Paths map[string]fiber.Handler
	// Keys are the valid keys: requests of an API need one, and Paths one for administration. nil: no key is needed.
	Keys *access.Keys
	// Open reports which of Paths need no key; nil: none.
	Open func(path string) bool
}

// Server serves one listener. All its methods are safe for concurrent use.
type Server struct {
	opt      Options
	log      *slog.Logger
	app      *fiber.App
	decoding *limiter

	base     context.Context // of every request; ends when the time of a shutdown is over
	cancel   context.CancelFunc
	draining atomic.Bool
	quiet    time.Duration // quietTime; longer in tests

	mu       sync.Mutex
	listener *listener
	served   chan struct{} // closed when Serve has returned
	watching sync.WaitGroup
}

// New makes a server that serves nothing yet.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxRequestBytes <= 0 {
		o.MaxRequestBytes = DefaultMaxRequestBytes
	}
	o.Observer = serving.Join(o.Observer)
	s := &Server{opt: o, log: o.Logger, decoding: newLimiter(o.DecodeLimit), quiet: quietTime}
	s.base, s.cancel = context.WithCancel(context.Background())
	s.app = fiber.New(fiber.Config{
		BodyLimit:                    o.MaxRequestBytes,
		ReadBufferSize:               maxHeaderBytes,
		ReadTimeout:                  transferTimeout,
		WriteTimeout:                 transferTimeout,
		IdleTimeout:                  transferTimeout,
		CaseSensitive:                true,
		StrictRouting:                true,
		DisableStartupMessage:        true,
		DisableDefaultContentType:    true,
		DisablePreParseMultipartForm: true, // a body is JSON whatever its Content-Type says
		StreamRequestBody:            true, // receive reads it
		ErrorHandler:                 s.protocolError,
	})
	s.app.Use(s.handle)
	http := s.app.Server()
	http.CloseOnShutdown = true
	http.SecureErrorLogMessage = true // the errors are sent to clients: keep their headers out of them
	http.HeaderReceived = s.inspect
	http.ConnState = state
	fasthttp.SetBodySizePoolLimit(maxIdleBuffer, maxIdleBuffer)
	http.Handler = s.outermost(http.Handler)
	return s
}

// Serve answers requests on ln until Shutdown, and then returns nil. It may be called once.
func (s *Server) Serve(ln net.Listener) error {
	l := newListener(ln, s.log, s.opt.Budget, s.opt.MinTransferRate)
	s.mu.Lock()
	s.listener, s.served = l, make(chan struct{})
	stopped := s.draining.Load()
	s.mu.Unlock()
	defer close(s.served)
	defer l.Close()
	if rate := s.opt.MinTransferRate; rate > 0 {
		s.watching.Go(func() { l.watch(s.base, rate) })
	}
	if stopped {
		return nil
	}
	var plain net.Listener = l
	if s.opt.TLS != nil {
		plain = tls.NewListener(l, s.opt.TLS)
	}
	return s.app.Listener(plain)
}

// Shutdown stops accepting connections, waits until every accepted request is answered, and closes the connections. If ctx ends
// first, it cancels what still runs, cuts the connections and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.watching.Wait()
	defer s.cancel()
	s.mu.Lock()
	s.draining.Store(true)
	l, served := s.listener, s.served
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	l.stop()
	select {
	case <-served:
	case <-ctx.Done():
		_ = l.Close()
		<-served
	}
	l.waitClosed(ctx, s.quiet)
	l.closeUnused()
	err := s.app.ShutdownWithContext(ctx)
	if err == nil || l.open() == 0 {
		return nil
	}
	s.cancel()
	l.waitClosed(context.Background(), abortTime)
	l.abort()
	l.waitClosed(context.Background(), abortTime)
	return err
}
