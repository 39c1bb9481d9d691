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
)

var errMissingModelSpec = status.Error(codes.InvalidArgument, "Missing ModelSpec")

// maxMessage is where TensorFlow Serving cuts an error's text, which travels in a header.
const maxMessage = 1024

// toStatus is the one place where errors become gRPC statuses. A status passes through, an ended context becomes its
// code, and anything else is INTERNAL with its text kept to the log.
func (s *Server) toStatus(method string, err error) error {
	st, ok := status.FromError(err)
	switch {
	case err == nil:
		return nil
	case ok:
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		st = status.FromContextError(err)
	default:
		s.opts.Logger.Error("call failed", slog.String("method", method), slog.Any("error", err))
		st = status.New(codes.Internal, "internal error: the server's log has the reason")
	}
	if m := st.Message(); len(m) > maxMessage {
		return status.Error(st.Code(), strings.ToValidUTF8(m[:maxMessage], "")+"...TRUNCATED")
	}
	return st.Err()
}

// modelNamer is a request that knows the model it is for.
type modelNamer interface{ model() string }

// unary wraps every call: a panic becomes INTERNAL, errors become statuses, and the finished call is reported.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	now := time.Now()
	call := &Call{Method: info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:], Version: NoVersion, Context: ctx, Start: now, last: now}
	if m, ok := req.(modelNamer); ok { // asked first: a handler gives its request's memory back
		call.Model = m.model()
	}
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, s.panicked(info.FullMethod, v)
		}
		err = s.toStatus(info.FullMethod, err)
		call.Err, call.Duration = err, time.Since(call.Start)
		s.opts.Observe(*call)
		if err != nil {
			s.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "call refused", slog.String("method", info.FullMethod),
				slog.String("model", call.Model), slog.Any("error", err))
		}
	}()
	return handler(context.WithValue(ctx, callKey{}, call), req)
}

// stream does the same for the streaming calls of health and reflection, except for the report.
func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.panicked(info.FullMethod, v)
		}
		err = s.toStatus(info.FullMethod, err)
	}()
	return handler(srv, ss)
}

func (s *Server) panicked(method string, v any) error {
	s.opts.Logger.Error("panic in a call", slog.String("method", method), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	return status.Error(codes.Internal, "internal error: the server's log has the reason")
}
