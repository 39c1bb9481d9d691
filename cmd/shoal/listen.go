package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"shoal/internal/oneport"
	"shoal/serving/rpc"
)

// listeners are where the server listens; ports that are bound refuse connections until open.
type listeners struct {
	rest, rpc *port // nil: none; the same port if both APIs share it
}

// bind takes the ports, so that one that is in use is told of before the models are loaded.
func (a *app) bind() (l *listeners, err error) {
	l = new(listeners)
	bound := l
	defer func() {
		if err != nil {
			bound.close()
		}
	}()
	if a.rest != nil {
		switch l.rest, err = bindPort(a.cfg.RESTListen()); {
		case err == nil:
		case a.rpc != nil && !a.cfg.IsSet("rest_api_port"):
			// tensorflow_model_server has no REST by default: a second server beside it, on another gRPC port, must start.
			a.log.Warn("no REST API: its default port is taken; --rest_api_port chooses another, 0 none", slog.Any("error", err))
			a.rest = nil
		default:
			return nil, fmt.Errorf("--rest_api_port: %w", err)
		}
	}
	if on := a.cfg.GRPCListen(); on != "" && l.rest != nil && on == a.cfg.RESTListen() {
		l.rpc = l.rest
	} else if on != "" {
		if l.rpc, err = bindPort(on); err != nil {
			return nil, fmt.Errorf("--port: %w", err)
		}
	}
	if path := a.cfg.GRPC.SocketPath; path != "" {
		if _, err := rpc.CheckUnix(path); err != nil {
			return nil, err
		}
		if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
			return nil, fmt.Errorf("--grpc_socket_path: %s: %w", filepath.Dir(path), err)
		}
	}
	return l, nil
}

// close gives back the ports that were not opened.
func (l *listeners) close() {
	l.rest.close()
	l.rpc.close()
}

// open begins to listen on all of them, and says where.
func (l *listeners) open(a *app) (restOn net.Listener, rpcOn []net.Listener, err error) {
	if l.rest != nil {
		if restOn, err = l.rest.open(); err != nil {
			return nil, nil, fmt.Errorf("--rest_api_port: %w", err)
		}
		a.log.Info("REST listens", slog.String("address", restOn.Addr().String()))
	}
	switch {
	case l.rpc == nil:
	case l.rpc == l.rest:
		http1, http2 := oneport.Split(restOn, oneport.Options{
			HTTP1TLS: a.cfg.REST.TLSCertFile != "", HTTP2TLS: a.cfg.GRPC.SSLConfigFile != "", Logger: a.log,
		})
		restOn, rpcOn = http1, append(rpcOn, http2)
		a.log.Info("gRPC listens", slog.String("address", http2.Addr().String()))
	default:
		on, err := l.rpc.open()
		if err != nil {
			return nil, nil, fmt.Errorf("--port: %w", err)
		}
		a.log.Info("gRPC listens", slog.String("address", on.Addr().String()))
		rpcOn = append(rpcOn, on)
	}
	if path := a.cfg.GRPC.SocketPath; path != "" {
		on, err := rpc.ListenUnix(path)
		if err != nil {
			return nil, nil, err
		}
		a.log.Info("gRPC listens", slog.String("address", path))
		rpcOn = append(rpcOn, on)
	}
	return restOn, rpcOn, nil
}

// stillWaiting is how often the log says what is waited for.
const stillWaiting = 10 * time.Second

// waitSettled waits until each configured model is available, has failed to load once, or has nothing to load. It returns early
// when ctx ends.
func (a *app) waitSettled(ctx context.Context) {
	begin := time.Now()
	for {
		turn, cancel := context.WithTimeout(ctx, stillWaiting)
		err := a.manager.WaitSettled(turn)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		_, reasons := a.manager.Ready()
		a.log.Info("waiting for the models", slog.Duration("waited", time.Since(begin).Round(time.Second)), slog.Any("for", reasons))
	}
}
