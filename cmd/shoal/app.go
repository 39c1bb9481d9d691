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
	"shoal/serving/manager"
	"shoal/serving/predictionlog"
	"shoal/serving/rest"
	"shoal/serving/rpc"
	"shoal/telemetry"
	"shoal/web"
)

// app is the server's parts, wired.
type app struct {
	cfg        *configs.Server
	files      *configFiles
	log        *slog.Logger
	level      *slog.LevelVar // of log
	fleet      *devices.Fleet
	memory     *memory
	telemetry  *telemetry.Telemetry
	manager    *manager.Manager
	repository *manager.Repository // nil: no --model_repository
	logs       *predictionlog.Logs
	page       *web.Page    // nil: no status page
	rest       *rest.Server // nil: no REST
	rpc        *rpc.Server  // nil: no gRPC
	admin      admin
	left       *underWay                // what goes on in the background
	began      time.Time                // to stop
	own        atomic.Pointer[modelSet] // what the operator's own configuration lists
}

// run loads the models, listens when they have settled (on the administration's ports at once), and serves until ctx ends. Then
// it stops in this order: not ready; no new connections, what was accepted is answered; the versions are unloaded; logs and
// metrics are written out. Told to stop it returns nil, within --drain_timeout, and logs what was left.
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
	parts.Go(func() {
		defer a.left.begin("the devices' readings")()
		a.watchDevices(background)
	})
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
		loaded := a.left.begin("the first configuration")
		err = a.loadModels(ctx, background, &parts)
		loaded()
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
			err = a.linger(failed)
			a.log.Info("shutting down: finishing what was accepted", slog.Duration("drain_timeout", a.cfg.Lifecycle.DrainTimeout))
		case err = <-failed:
		}
	}
	times := stopping(time.Now(), a.cfg.Lifecycle.DrainTimeout)
	left := a.shutdown(times)
	cancel()
	late := until(times.over, "work in the background", func(context.Context) error {
		parts.Wait()
		return nil
	})
	if late != nil {
		left = errors.Join(left, fmt.Errorf("%w: %s", late, a.left))
	}
	switch {
	case err != nil:
		return errors.Join(err, left)
	case left != nil:
		a.log.Warn("stopped with work left at the end of --drain_timeout", slog.Duration("drain_timeout", a.cfg.Lifecycle.DrainTimeout), slog.Any("left", left))
	default:
		a.log.Info("shut down", slog.Duration("took", time.Since(a.began)))
	}
	return nil
}

// linger says "not ready" while connections are still accepted, for --shutdown_delay: routers learn late that they are to turn
// to another server. A failure of a listener ends it.
func (a *app) linger(failed <-chan error) error {
	a.began = time.Now()
	a.manager.Drain()
	if a.rpc != nil {
		a.rpc.Drain()
	}
	d := a.cfg.Lifecycle.ShutdownDelay
	if d <= 0 {
		return nil
	}
	a.log.Info("not ready any more, and connections are accepted still", slog.Duration("shutdown_delay", d))
	select {
	case <-time.After(d):
		return nil
	case err := <-failed:
		return err
	}
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

// shutdown finishes what was accepted, closes everything, and returns what was left.
func (a *app) shutdown(times stopTimes) error {
	a.manager.Drain()
	if a.page != nil {
		a.page.Close() // whoever watches would hold a connection
	}
	var servers sync.WaitGroup
	errs := make([]error, 6)
	finish := func(i int, what string, shutdown func(context.Context) error) {
		servers.Go(func() {
			errs[i] = until(times.answered, what, func(context.Context) error {
				ctx, cancel := context.WithDeadline(context.Background(), times.finished)
				defer cancel()
				return named(what, shutdown(ctx))
			})
		})
	}
	if a.rest != nil {
		finish(0, "REST requests", a.rest.Shutdown)
	}
	if a.rpc != nil {
		finish(1, "gRPC calls", a.rpc.Shutdown)
	}
	finish(2, "requests of the administration", a.admin.shutdown)
	servers.Wait()
	errs[3] = until(times.answered, "models", a.manager.Close)
	errs[4] = until(times.over, "request logs", func(context.Context) error { return a.logs.Close() })
	sent := time.Now().Add(sendTime)
	if sent.After(times.over) {
		sent = times.over
	}
	if err := until(sent, "the collector does not answer", a.telemetry.Shutdown); err != nil {
		a.log.Warn("the last metrics and traces were not sent", slog.Any("error", err))
	}
	return errors.Join(errs...)
}

// named says what an error is about.
func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
