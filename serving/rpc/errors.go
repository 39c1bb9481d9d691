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

// maxMessage is where TensorFlow Serving cuts an error's text, which travels in a header.
const maxMessage = 1024

// toStatus is the one place where errors become gRPC statuses. A status passes through, an ended context becomes its
// code, and anything else is INTERNAL with its text kept to the log.
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

// unary wraps every call: a panic becomes INTERNAL, errors become statuses, and the finished call is reported.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	now := time.Now()
	var call *exchange
	if r, ok := req.(recorded); ok {
		call = r.record()
		call.Model = r.model()
	} else {
		call = new(exchange)
	}
	call.API, call.Method = serving.GRPC, info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	call.Version, call.Start, call.Context, call.Exchange = serving.NoVersion, now, ctx, call
	call.id = s.identify(ctx)
	ctx = s.opts.Observer.Begin(ctx, &call.Call)
	call.Context = ctx
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, s.panicked(info.FullMethod, call.id, v)
		}
		err = s.toStatus(info.FullMethod, call.id, err)
		call.Err, call.Duration, call.response = err, time.Since(call.Start), resp
		s.opts.Observer.Done(&call.Call)
		if err == nil {
			sendTiming(ctx, &call.Call)
		} else {
			s.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "call refused", slog.String("method", info.FullMethod),
				slog.String("model", call.Model), slog.Any("error", err))
		}
	}()
	return handler(ctx, req)
}

// stream does the same for the streaming calls of health and reflection, except for the report.
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
