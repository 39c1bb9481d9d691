package load

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// PredictMethod is the call that bodies are sent with.
const PredictMethod = "/tensorflow.serving.PredictionService/Predict"

// GRPC sends serialised PredictRequests; several clients share a connection. Messages are neither built nor read but
// for the checker: the generator's work is kept small.
type GRPC struct {
	bodies []Body
	check  Checker
	conns  []*grpc.ClientConn
	mu     sync.Mutex
	dial   func() (*grpc.ClientConn, error)
	each   int
}

// ClientsPerConnection is how many clients share one gRPC connection: one connection is one reader and one writer on
// either side, and many streams on it wait for each other.
const ClientsPerConnection = 16

// NewGRPC makes a target of host:port. t nil is plain text.
func NewGRPC(address string, bodies []Body, check Checker, t *tls.Config) (*GRPC, error) {
	if len(bodies) == 0 {
		return nil, errors.New("there is no request to send")
	}
	return &GRPC{bodies: bodies, check: check, dial: func() (*grpc.ClientConn, error) { return DialGRPC(address, t) }, each: ClientsPerConnection}, nil
}

// DialGRPC makes a connection that takes answers of any size.
func DialGRPC(address string, t *tls.Config) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if t != nil {
		creds = credentials.NewTLS(t)
	}
	return grpc.NewClient(address, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<31-1), grpc.MaxCallSendMsgSize(1<<31-1)))
}

// Open gives the client its share of a connection, and sees to it that the server is there.
func (g *GRPC) Open(ctx context.Context, client int) (Client, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for client/g.each >= len(g.conns) {
		conn, err := g.dial()
		if err != nil {
			return nil, err
		}
		g.conns = append(g.conns, conn)
		conn.Connect()
		for s := conn.GetState(); s.String() != "READY"; s = conn.GetState() {
			if s.String() == "TRANSIENT_FAILURE" {
				return nil, errors.New("no gRPC server answers there")
			}
			if !conn.WaitForStateChange(ctx, s) {
				return nil, ctx.Err()
			}
		}
	}
	return &grpcClient{target: g, conn: g.conns[client/g.each]}, nil
}

// Close ends the connections.
func (g *GRPC) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var err error
	for _, c := range g.conns {
		err = errors.Join(err, c.Close())
	}
	g.conns = nil
	return err
}

type grpcClient struct {
	target *GRPC
	conn   *grpc.ClientConn
}

// Send makes one call.
func (c *grpcClient) Send(ctx context.Context, number uint64, r *Result) {
	g := c.target
	i := int(number % uint64(len(g.bodies)))
	var answer rawMessage
	err := c.conn.Invoke(ctx, PredictMethod, (*rawMessage)(&g.bodies[i].Data), &answer, grpc.ForceCodecV2(rawCodec{}))
	code := status.Code(err)
	r.Code, r.Rows = int32(code), int32(g.bodies[i].Rows)
	switch {
	case code == codes.DeadlineExceeded && ctx.Err() != nil:
		r.Outcome = TimedOut
	case code == codes.Unavailable && !answeredByServer(err):
		r.Outcome = Broken
	case err != nil:
		r.Outcome = Refused
	case g.check != nil && !g.check.Check(i, answer):
		r.Outcome = Wrong
	default:
		r.Outcome = Good
	}
}

// answeredByServer tells a server that says UNAVAILABLE, as a full queue does, from one that is not there. grpc-go words
// the latter itself.
func answeredByServer(err error) bool {
	text := status.Convert(err).Message()
	for _, own := range []string{"connection error", "error reading from server", "transport is closing", "the client connection is closing"} {
		if len(text) >= len(own) && text[:len(own)] == own {
			return false
		}
	}
	return true
}

// Close leaves the shared connection to the target.
func (c *grpcClient) Close() error { return nil }

// rawMessage is a message's bytes.
type rawMessage []byte

// rawCodec hands bytes through. It keeps the name "proto": the content type stays what servers expect.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*rawMessage))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*rawMessage) = data.Materialize()
	return nil
}
