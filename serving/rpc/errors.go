package rpc

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
)

var errMissingModelSpec = status.Error(codes.InvalidArgument, "Missing ModelSpec")

// maxMessage is the length to which TensorFlow Serving cuts an error's text, which is sent in a header.
const maxMessage = 1024

// toStatus is the only place where errors become gRPC statuses. A status is not changed. The error of a context becomes its code.
// Any other error becomes INTERNAL; its text is in the log only.
func (s *Server) toStatus(method, id string, err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	switch {
	case ok:
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		st = status.FromContextError(err)
	default:
		s.opts.Logger.Error("call failed", slog.String("method", method), slog.String("request_id", id), slog.Any("error", err))
		st = status.New(codes.Internal, "internal error: the server's log has the reason")
	}
	if m := st.Message(); len(m) > maxMessage {
		return status.Error(st.Code(), strings.ToValidUTF8(m[:maxMessage], "")+"...TRUNCATED")
	}
	return st.Err()
}

// unary wraps every call of one request.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	resp, call, err := s.observe(ctx, req, info.FullMethod, handler)
	if err == nil {
		sendTiming(ctx, &call.Call)
	}
	return resp, err
}

// observe answers one request: a panic becomes INTERNAL, errors become statuses, and the finished call is reported.
func (s *Server) observe(ctx context.Context, req any, method string, handler grpc.UnaryHandler) (resp any, call *Exchange, err error) {
	now := time.Now()
	if r, ok := req.(WireRequest); ok {
		call = r.record()
		call.Model = r.ModelName()
	} else {
		call = new(Exchange)
	}
	call.API, call.Method = serving.GRPC, method[strings.LastIndexByte(method, '/')+1:]
	call.Version, call.Start, call.Context, call.Call.Exchange = serving.NoVersion, now, ctx, call
	call.id = s.identify(ctx)
	ctx = s.opts.Observer.Begin(ctx, &call.Call)
	call.Context = ctx
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, s.panicked(method, call.id, v)
		}
		err = s.toStatus(method, call.id, err)
		call.Err, call.Duration, call.Response = err, time.Since(call.Start), resp
		s.opts.Observer.Done(&call.Call)
		if err != nil {
			s.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "call refused", slog.String("method", method),
				slog.String("model", call.Model), slog.Any("error", err))
		}
	}()
	resp, err = handler(ctx, req)
	return resp, call, err
}

// stream wraps streaming calls. Of these, only the requests of Stream are reported.
func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.panicked(info.FullMethod, "", v)
		}
		err = s.toStatus(info.FullMethod, "", err)
	}()
	return handler(srv, ss)
}

func (s *Server) panicked(method, id string, v any) error {
	s.opts.Logger.Error("panic in a call", slog.String("method", method), slog.String("request_id", id), slog.Any("panic", v),
		slog.String("stack", string(debug.Stack())))
	return status.Error(codes.Internal, "internal error: the server's log has the reason")
}
