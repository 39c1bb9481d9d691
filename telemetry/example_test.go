package telemetry_test

import (
	"context"
	"log/slog"

	"github.com/gofiber/fiber/v2"

	"shoal/serving/manager"
	"shoal/serving/rest"
	"shoal/serving/rest/v1"
	"shoal/serving/rpc"
	"shoal/telemetry"
)

// A server hands the hooks around, and the pages to REST. The loader's Options take BatchObserver, SavedModelLoaded and
// WarmedUp in the same way.
func Example() {
	ctx := context.Background()
	tel, err := telemetry.New(ctx, telemetry.Options{Version: "1.2.3", TensorFlow: "2.21.0", Logger: slog.Default()})
	if err != nil {
		return
	}
	defer tel.Shutdown(ctx) // last: what happens while the server drains is sent too

	models := manager.New(manager.Options{Hooks: tel.ServingHooks()})
	tel.Watch(models)
	const page = "/monitoring/prometheus/metrics"
	_ = rest.New(rest.Options{
		Core: models, APIs: []rest.API{v1.New(v1.Options{Core: models})}, Observer: tel,
		Paths: map[string]fiber.Handler{"/metrics": tel.FiberHandler(), page: tel.TFServingHandler(page)},
	})
	_, _ = rpc.New(rpc.Options{Core: models, Observer: tel, Counter: tel.Counter})
}
