package load

import (
	"context"
	"crypto/tls"
	"errors"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The calls that bodies are sent with.
const (
	PredictMethod = "/tensorflow.serving.PredictionService/Predict"
	InferMethod   = "/inference.GRPCInferenceService/ModelInfer" // of the Open Inference Protocol
)

// GRPC sends serialised PredictRequests, or the messages of another call; several clients share a connection. Messages are neither built nor read but
// for the checker: the generator's work is kept small.
type GRPC struct {
	bodies []Body
	check  Checker
	conns  []*grpc.ClientConn
	mu     sync.Mutex
	dial   func() (*grpc.ClientConn, error)
	each   int
	method string
	times  bool
}

// ClientsPerConnection is how many clients share one gRPC connection: one connection is one reader and one writer on
// either side, and many streams on it wait for each other.
const ClientsPerConnection = 16

// NewGRPC makes a target of host:port. t nil is plain text. more are options of the connections, such as WithKey.
func NewGRPC(address string, bodies []Body, check Checker, t *tls.Config, more ...grpc.DialOption) (*GRPC, error) {
	if len(bodies) == 0 {
		return nil, errors.New("there is no request to send")
	}
	// Windows of a fixed size spare the pings by which others are found: the server would have to answer them.
	dial := func() (*grpc.ClientConn, error) {
		return DialGRPC(address, t, append(more[:len(more):len(more)], grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})),
			grpc.WithStaticStreamWindowSize(4<<20), grpc.WithStaticConnWindowSize(64<<20))...)
	}
	return &GRPC{bodies: bodies, check: check, dial: dial, each: ClientsPerConnection, method: PredictMethod}, nil
}

// DialGRPC makes a connection that takes answers of any size.
func DialGRPC(address string, t *tls.Config, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if t != nil {
		creds = credentials.NewTLS(t)
	}
	more = append(more, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<31-1), grpc.MaxCallSendMsgSize(1<<31-1)))
	return grpc.NewClient(address, more...)
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
	var to any = unread{}
	if g.check != nil {
		to = &answer
	}
	var trailer metadata.MD
	var err error
	if g.times {
		ctx := metadata.NewOutgoingContext(ctx, askTimes)
		err = c.conn.Invoke(ctx, g.method, (*rawMessage)(&g.bodies[i].Data), to, grpc.Trailer(&trailer))
	} else {
		err = c.conn.Invoke(ctx, g.method, (*rawMessage)(&g.bodies[i].Data), to)
	}
	code := status.Code(err)
	r.Code, r.Rows = int32(code), int32(g.bodies[i].Rows)
	switch {
	case code == codes.DeadlineExceeded && ctx.Err() != nil:
		r.Outcome = TimedOut
	case code == codes.Unavailable && !AnsweredByServer(err):
		r.Outcome = Broken
	case err != nil:
		r.Outcome = Refused
	case g.check != nil && !g.check.Check(i, answer):
		r.Outcome = Wrong
	default:
		r.Outcome = Good
		r.Server = serverTimes(trailer)
	}
}

// askTimes asks Shoal for what it tells in REST's headers without being asked.
var askTimes = metadata.Pairs("shoal-timing", "1")

// AskTimes makes each call ask the server how long its phases took and how large its batch was, before the first is sent. Other
// servers than Shoal take no notice.
func (g *GRPC) AskTimes() { g.times = true }

// Call sends the bodies with another call than Predict. It must come before the first is sent.
func (g *GRPC) Call(method string) { g.method = method }

// serverTimes reads the trailers with the answer to that.
func serverTimes(trailer metadata.MD) (t ServerTimes) {
	if v := trailer["server-timing"]; len(v) > 0 {
		t.parse([]byte(v[0]))
	}
	if v := trailer["shoal-batch-size"]; len(v) > 0 {
		n, _ := strconv.Atoi(v[0])
		t.Batch = int32(n)
	}
	return t
}

// AnsweredByServer tells a server that says UNAVAILABLE, as a full queue does, from one that is not there. grpc-go words
// the latter itself.
func AnsweredByServer(err error) bool {
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

// rawMessage is a message's bytes; unread an answer that nobody looks at.
type (
	rawMessage []byte
	unread     struct{}
)

// rawCodec hands bytes through. It keeps the name "proto": the content type stays what servers expect.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*rawMessage))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*rawMessage); ok {
		*m = data.Materialize()
	}
	return nil
}
