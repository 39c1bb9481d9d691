package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	rtpprof "runtime/pprof"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"shoal/configs"
	"shoal/serving/openapi"
	"shoal/serving/rest"
	"shoal/serving/rpc"
)

// admin is the servers on the administration's ports. They answer what the APIs do, so that the status page's form can ask
// for predictions, and the administration besides, which is taken from the API's ports.
type admin struct {
	rest *rest.Server // nil: no --admin_port
	rpc  *rpc.Server  // nil: no --admin_grpc_port
}

// adminListeners are nil where there is nothing to listen for.
type adminListeners struct{ rest, rpc net.Listener }

func (a *app) newAdmin() (err error) {
	if a.cfg.AdminListen() != "" {
		if a.admin.rest, err = a.newREST(true); err != nil {
			return err
		}
	}
	if a.cfg.AdminGRPCListen() != "" {
		a.admin.rpc, err = a.newRPC(true)
	}
	return err
}

// pages are what a REST server answers beside the API. Where the administration has a port of its own, the API's says so.
func (a *app) pages(admin bool) map[string]fiber.Handler {
	pages := map[string]fiber.Handler{"/metrics": a.telemetry.FiberHandler(), openapi.Path: a.describeAPI()}
	if m := a.files.Metrics; m.Enabled {
		pages[m.Path] = a.telemetry.TFServingHandler(m.Path)
	}
	if a.page != nil {
		maps.Copy(pages, a.page.Paths())
	}
	switch {
	case admin:
		maps.Copy(pages, a.profiles())
	case a.cfg.AdminListen() != "":
		for path := range pages {
			pages[path] = moved
		}
	}
	return pages
}

// moved answers for pages that are on the administration's port.
func moved(c *fiber.Ctx) error {
	return c.Status(http.StatusNotFound).JSON(fiber.Map{"error": "Not found: " + c.Method() + " " + c.Path() + " (it is on --admin_port)"})
}

// profiles are debugPages for the administration's port. Where that is a loopback one, so are they.
func (a *app) profiles() map[string]fiber.Handler {
	pages := debugPages()
	if a.cfg.AdminIsLocal() {
		pages = localOnly(pages)
	}
	handler := adaptor.HTTPHandler(pages)
	paths := map[string]fiber.Handler{"/debug/goroutines": handler, "/debug/pprof/": handler}
	for _, name := range []string{"cmdline", "profile", "symbol", "trace"} {
		paths["/debug/pprof/"+name] = handler
	}
	for _, p := range rtpprof.Profiles() {
		paths["/debug/pprof/"+p.Name()] = handler
	}
	return paths
}

func (a *admin) listen(cfg *configs.Server, log *slog.Logger) (on adminListeners, err error) {
	if a.rest != nil {
		if on.rest, err = net.Listen("tcp", cfg.AdminListen()); err != nil {
			return on, fmt.Errorf("--admin_port: %w", err)
		}
		log.Info("administration listens", slog.String("address", on.rest.Addr().String()))
	}
	if a.rpc != nil {
		if on.rpc, err = net.Listen("tcp", cfg.AdminGRPCListen()); err != nil {
			return on, fmt.Errorf("--admin_grpc_port: %w", err)
		}
		log.Info("administration by gRPC listens", slog.String("address", on.rpc.Addr().String()))
	}
	return on, nil
}

// serve tells failed how each server ended.
func (a *admin) serve(on adminListeners, parts *sync.WaitGroup, failed chan<- error) {
	if a.rest != nil {
		parts.Go(func() { failed <- a.rest.Serve(on.rest) })
	}
	if a.rpc != nil {
		parts.Go(func() { failed <- a.rpc.Serve(on.rpc) })
	}
}

func (a *admin) shutdown(ctx context.Context) error {
	var servers sync.WaitGroup
	var errRest, errRPC error
	if a.rest != nil {
		servers.Go(func() { errRest = a.rest.Shutdown(ctx) })
	}
	if a.rpc != nil {
		servers.Go(func() { errRPC = a.rpc.Shutdown(ctx) })
	}
	servers.Wait()
	return errors.Join(errRest, errRPC)
}
