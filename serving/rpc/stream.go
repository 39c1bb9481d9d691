package rpc

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxUnanswered is how many requests of one stream are worked on at once. The client waits with more.
const maxUnanswered = 64

var errStreamStopped = status.Error(codes.Unavailable, "the server is shutting down")

// Stream describes a call with many requests, each of which f answers as if it came by itself. Answers go out in the order of the
// requests. failed makes the answer to a request that got an error, or returns the error, which ends the stream.
func Stream[Request any](s *Server, service, name string, f func(context.Context, *Request) (any, error),
	failed func(context.Context, *Request, error) (any, error)) grpc.StreamDesc {
	full := "/" + service + "/" + name
	c := &streamMethod[Request]{
		s: s, name: name, full: full, pool: newSlots[Request](s.opts.Budget), handler: sized(s, f), failed: failed,
	}
	return grpc.StreamDesc{StreamName: name, Handler: c.serve, ServerStreams: true, ClientStreams: true}
}

type streamMethod[Request any] struct {
	s          *Server
	name, full string
	pool       *slots[Request]
	handler    grpc.UnaryHandler
	failed     func(context.Context, *Request, error) (any, error)
}

// streamAnswer is what is sent for one request, or the error that ends the stream.
type streamAnswer struct {
	message any
	err     error
}

// serve answers one stream. It sends; one goroutine reads, and each request has one. Those have ended when it returns; the reader
// ends with the stream, right afterwards.
func (m *streamMethod[Request]) serve(_ any, stream grpc.ServerStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	queue := make(chan chan streamAnswer, maxUnanswered) // closed by the reader
	var broken error                                     // why the reader has ended
	go func() {
		defer close(queue)
		for {
			c := m.pool.get()
			if err := m.s.receiveNext(stream, &c.in, &c.req); err != nil {
				m.pool.put(c)
				if err != io.EOF && ctx.Err() == nil {
					broken = err
					m.s.refused(ctx, m.name, m.s.toStatus(m.full, "", err))
				}
				return
			}
			answer := make(chan streamAnswer, 1)
			select {
			case queue <- answer:
			case <-ctx.Done():
				m.pool.put(c)
				return
			}
			working.Go(func() { answer <- m.answer(ctx, c) })
		}
	}()
	stopping, quiet := m.s.stopping, (<-chan time.Time)(nil)
	for {
		select {
		case answer, more := <-queue:
			if !more {
				return broken
			}
			if err := send(ctx, stream, answer); err != nil {
				return err
			}
			if stopping == nil { // what is on the way is answered
				quiet = time.After(quietTime)
			}
		case <-stopping:
			stopping, quiet = nil, time.After(quietTime)
		case <-quiet:
			return errStreamStopped
		}
	}
}

// answer runs a request and recycles it.
func (m *streamMethod[Request]) answer(ctx context.Context, c *slot[Request]) (a streamAnswer) {
	defer m.pool.put(c)
	a.message, _, a.err = m.s.observe(ctx, &c.req, m.full, m.handler)
	if a.err != nil {
		a.message, a.err = m.failed(ctx, &c.req, a.err)
	}
	return a
}

// send waits for an answer and sends it.
func send(ctx context.Context, stream grpc.ServerStream, answer <-chan streamAnswer) error {
	select {
	case a := <-answer:
		if a.err != nil {
			return a.err
		}
		return stream.SendMsg(a.message)
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
