package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"shoal/configs"
	"shoal/devices"
	"shoal/serving"
	"shoal/serving/predictionlog"
	"shoal/serving/rest"
	"shoal/serving/rpc"
	"shoal/telemetry"
	"shoal/web"
)

// app is the server's parts, wired.
type app struct {
	cfg       *configs.Server
	files     *configs.Files
	log       *slog.Logger
	fleet     *devices.Fleet
	telemetry *telemetry.Telemetry
	manager   *serving.Manager
	logs      *predictionlog.Logs
	page      *web.Page    // nil: no status page
	rest      *rest.Server // nil: no REST
	rpc       *rpc.Server  // nil: no gRPC
	admin     admin
	own       atomic.Pointer[configs.Models] // what the operator's own configuration lists
}

// run listens, loads the models and serves until ctx ends, and then stops in this order: not ready; no new connections, what
// was accepted is answered; the versions are unloaded; logs and metrics are written out. It returns nil when nothing was lost.
func (a *app) run(ctx context.Context) (err error) {
	restOn, rpcOn, err := a.listen()
	if err != nil {
		return err
	}
	adminOn, err := a.admin.listen(a.cfg, a.log)
	if err != nil {
		return err
	}
	background, cancel := context.WithCancel(context.Background())
	defer cancel()
	var parts sync.WaitGroup
	if err := a.debug(background, &parts); err != nil {
		return err
	}
	failed := make(chan error, 5)
	if a.rest != nil {
		parts.Go(func() { failed <- a.rest.Serve(restOn) })
	}
	if a.rpc != nil {
		parts.Go(func() { failed <- a.rpc.Serve(rpcOn...) })
	}
	a.admin.serve(adminOn, &parts, failed)
	parts.Go(func() { a.watchDevices(background) })
	a.watchKeys(background, &parts)
	if a.page != nil {
		parts.Go(func() { a.page.Run(background) })
	}
	if err = a.loadModels(ctx, background, &parts); err == nil {
		select {
		case <-ctx.Done():
			a.log.Info("shutting down: finishing what was accepted", slog.Duration("drain_timeout", a.cfg.Lifecycle.DrainTimeout))
		case err = <-failed:
		}
	}
	err = errors.Join(err, a.shutdown())
	cancel()
	parts.Wait()
	return err
}

func (a *app) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.Lifecycle.DrainTimeout)
	defer cancel()
	start := time.Now()
	a.manager.Drain()
	if a.page != nil {
		a.page.Close() // whoever watches would hold a connection
	}
	var servers sync.WaitGroup
	var errRest, errRPC error
	if a.rest != nil {
		servers.Go(func() { errRest = a.rest.Shutdown(ctx) })
	}
	if a.rpc != nil {
		servers.Go(func() { errRPC = a.rpc.Shutdown(ctx) })
	}
	var errAdmin error
	servers.Go(func() { errAdmin = a.admin.shutdown(ctx) })
	servers.Wait()
	errModels := a.manager.Close(ctx)
	if err := errors.Join(errRest, errRPC, errAdmin, errModels, a.logs.Close(), a.telemetry.Shutdown(ctx)); err != nil {
		return fmt.Errorf("not everything was finished within --drain_timeout=%v: %w", a.cfg.Lifecycle.DrainTimeout, err)
	}
	a.log.Info("shut down", slog.Duration("took", time.Since(start)))
	return nil
}

func (a *app) listen() (restOn net.Listener, rpcOn []net.Listener, err error) {
	if a.rest != nil {
		switch restOn, err = net.Listen("tcp", a.cfg.RESTListen()); {
		case err == nil:
			a.log.Info("REST listens", slog.String("address", restOn.Addr().String()))
		case a.rpc != nil && !a.cfg.IsSet("rest_api_port"):
			// tensorflow_model_server has no REST by default: a second server beside it, on another gRPC port, must start.
			a.log.Warn("no REST API: its default port is taken; --rest_api_port chooses another, 0 none", slog.Any("error", err))
			a.rest = nil
		default:
			return nil, nil, fmt.Errorf("--rest_api_port: %w", err)
		}
	}
	if a.rpc == nil {
		return restOn, nil, nil
	}
	if on := a.cfg.GRPCListen(); on != "" {
		l, err := net.Listen("tcp", on)
		if err != nil {
			return nil, nil, fmt.Errorf("--port: %w", err)
		}
		a.log.Info("gRPC listens", slog.String("address", l.Addr().String()))
		rpcOn = append(rpcOn, l)
	}
	if path := a.cfg.GRPC.SocketPath; path != "" {
		l, err := rpc.ListenUnix(path)
		if err != nil {
			return nil, nil, err
		}
		a.log.Info("gRPC listens", slog.String("address", path))
		rpcOn = append(rpcOn, l)
	}
	return restOn, rpcOn, nil
}
