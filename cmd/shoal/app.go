package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// run loads the models, listens when they have settled (on the administration's ports at once), and serves until ctx ends. Then
// it stops in this order: not ready; no new connections, what was accepted is answered; the versions are unloaded; logs and
// metrics are written out. It returns nil when nothing was lost.
func (a *app) run(ctx context.Context) (err error) {
	ports, err := a.bind()
	if err != nil {
		return err
	}
	defer ports.close()
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
	a.admin.serve(adminOn, &parts, failed)
	parts.Go(func() { a.watchDevices(background) })
	a.watchKeys(background, &parts)
	if a.page != nil {
		parts.Go(func() { a.page.Run(background) })
	}
	if a.cfg.Lifecycle.ListenEarly {
		err = a.serve(ports, &parts, failed)
	} else {
		a.log.Info("the ports open when the models have settled: each is available, has failed to load once, or has no version")
	}
	if err == nil {
		err = a.loadModels(ctx, background, &parts)
	}
	if err == nil && !a.cfg.Lifecycle.ListenEarly {
		// Who only connects, to see whether the server is up, is answered as by TensorFlow Serving.
		if a.waitSettled(ctx); ctx.Err() == nil {
			err = a.serve(ports, &parts, failed)
		}
	}
	if err == nil {
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

// serve opens the ports and answers on them; a server that fails tells failed.
func (a *app) serve(ports *listeners, parts *sync.WaitGroup, failed chan<- error) error {
	restOn, rpcOn, err := ports.open(a)
	if err != nil {
		return err
	}
	if a.rest != nil {
		parts.Go(func() { failed <- a.rest.Serve(restOn) })
	}
	if a.rpc != nil {
		parts.Go(func() { failed <- a.rpc.Serve(rpcOn...) })
	}
	return nil
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
