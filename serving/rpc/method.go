package rpc

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"shoal/tensor"
)

// Method describes a unary call that f answers.
func Method[Request any](s *Server, service, name string, f func(context.Context, *Request) (any, error)) grpc.MethodDesc {
	pool := newSlots[Request](s.opts.Budget)
	info := &grpc.UnaryServerInfo{Server: s, FullMethod: "/" + service + "/" + name}
	handler := sized(s, f)
	return grpc.MethodDesc{MethodName: name, Handler: func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		c := pool.get()
		defer pool.put(c)
		req := &c.req
		if err := s.receive(ctx, &c.in, req, decode); err != nil {
			err = s.toStatus(info.FullMethod, "", err)
			s.refused(ctx, name, err)
			return nil, err
		}
		return interceptor(ctx, req, info, handler)
	}}
}

// sized rejects messages that are too large before it calls f.
func sized[Request any](s *Server, f func(context.Context, *Request) (any, error)) grpc.UnaryHandler {
	return func(ctx context.Context, req any) (any, error) {
		if r, ok := req.(WireRequest); ok {
			if err := s.opts.checkSize(r.record().Received); err != nil {
				return nil, err
			}
		}
		return f(ctx, req.(*Request))
	}
}

// slot is a request and its arrival.
type slot[Request any] struct {
	req Request
	in  intake
}

// slots keeps the slots of requests that can be used again.
type slots[Request any] struct{ pool sync.Pool }

func newSlots[Request any](budget *tensor.Budget) *slots[Request] {
	return &slots[Request]{sync.Pool{New: func() any {
		c := new(slot[Request])
		if r, ok := any(&c.req).(interface{ within(*tensor.Budget) }); ok {
			r.within(budget)
		}
		return c
	}}}
}

func (s *slots[Request]) get() *slot[Request] { return s.pool.Get().(*slot[Request]) }

// put releases what the request holds.
func (s *slots[Request]) put(c *slot[Request]) {
	c.in.lease.Free()
	if r, ok := any(&c.req).(interface{ Recycle() }); ok {
		r.Recycle()
		s.pool.Put(c)
	}
}
