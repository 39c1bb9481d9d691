package main

import (
	"context"
	"log/slog"
	"maps"

	"github.com/gofiber/fiber/v2"

	"shoal/batcher"
	"shoal/configs"
	"shoal/savedmodel"
	"shoal/savedmodel/rewrite"
	"shoal/serving"
	"shoal/serving/bundle"
	"shoal/serving/predictionlog"
	"shoal/serving/rest"
	"shoal/serving/rpc"
	"shoal/telemetry"
	"shoal/web"
)

// newApp makes the parts; nothing runs and nothing listens before run.
func newApp(ctx context.Context, cfg *configs.Server, files *configs.Files, cores int, log *slog.Logger) (a *app, err error) {
	a = &app{cfg: cfg, files: files, log: log, logs: predictionlog.NewLogs(predictionlog.Options{Logger: log, Tags: cfg.TensorFlow.Tags})}
	for _, lib := range cfg.TensorFlow.CustomOps {
		if err := savedmodel.LoadOpLibrary(lib); err != nil {
			return nil, err
		}
		log.Info("custom op library loaded", slog.String("file", lib))
	}
	a.telemetry, err = telemetry.New(ctx, telemetry.Options{Version: version, TensorFlow: savedmodel.Version(), Logger: log})
	if err != nil {
		return nil, err
	}
	if cfg.Monitoring.StatusPage && cfg.RESTListen() != "" {
		a.page = newPage(cfg)
	}
	a.manager = serving.New(serving.Options{
		Loader:                    bundle.NewLoader(a.bundleOptions(cores)),
		PollWait:                  cfg.Lifecycle.VersionPoll,
		NumLoadThreads:            cfg.Lifecycle.LoadThreads,
		NumUnloadThreads:          cfg.Lifecycle.UnloadThreads,
		MaxLoadRetries:            cfg.Lifecycle.MaxLoadRetries,
		LoadRetryInterval:         cfg.Lifecycle.LoadRetryInterval,
		AllowLabelsForUnavailable: cfg.Models.LabelsForUnavailable,
		Logger:                    log,
		Hooks:                     a.telemetry.ServingHooks(),
	})
	a.telemetry.Watch(a.manager)
	if a.page != nil {
		a.page.Watch(a.manager)
	}
	if cfg.RESTListen() != "" {
		if a.rest, err = a.newREST(); err != nil {
			return nil, err
		}
	}
	if cfg.GRPCListen() != "" || cfg.GRPC.SocketPath != "" {
		if a.rpc, err = a.newRPC(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *app) newREST() (*rest.Server, error) {
	tls, err := restTLS(a.cfg)
	if err != nil {
		return nil, err
	}
	pages := map[string]fiber.Handler{"/metrics": a.telemetry.FiberHandler()}
	if m := a.files.Metrics; m.Enabled {
		pages[m.Path] = a.telemetry.TFServingHandler(m.Path)
	}
	observe := a.telemetry.RESTCall
	if a.page != nil {
		maps.Copy(pages, a.page.Paths())
		observe = func(c rest.Call) {
			a.telemetry.RESTCall(c)
			a.page.RESTCall(c)
		}
	}
	return rest.New(rest.Options{
		Core:            a.manager,
		Logger:          a.log,
		Version:         version,
		Timeout:         a.cfg.REST.Timeout,
		MaxRequestBytes: int(a.cfg.REST.MaxRequestBytes),
		DecodeLimit:     a.cfg.REST.Threads,
		CORS:            a.cfg.REST.CORS,
		CheckMethodName: a.cfg.TensorFlow.CheckMethodNames,
		TLS:             tls,
		Logs:            a.logs,
		Observe:         observe,
		Paths:           pages,
	}), nil
}

func (a *app) newRPC() (*rpc.Server, error) {
	args, err := rpc.ParseChannelArguments(a.cfg.GRPC.ChannelArguments)
	if err != nil {
		return nil, err
	}
	observe := a.telemetry.RPCCall
	if a.page != nil {
		observe = func(c rpc.Call) {
			a.telemetry.RPCCall(c)
			a.page.RPCCall(c)
		}
	}
	return rpc.New(rpc.Options{
		Core:                     a.manager,
		Logger:                   a.log,
		Logs:                     a.logs,
		Reload:                   a.reload,
		Counter:                  a.telemetry.Counter,
		Observe:                  observe,
		TLS:                      a.files.SSL,
		MaxRequestBytes:          a.cfg.REST.MaxRequestBytes,
		MaxConcurrentStreams:     uint32(a.cfg.GRPC.MaxThreads),
		ChannelArguments:         args,
		SerializeAsTensorContent: a.cfg.GRPC.SerializeAsTensorContent,
		CheckMethodName:          a.cfg.TensorFlow.CheckMethodNames,
	})
}

// newPage is the status page, with the effective configuration on it.
func newPage(cfg *configs.Server) *web.Page {
	var settings []web.Setting
	for f := range configs.Flags() {
		if f.Noted == "" && f.Name != "version" {
			settings = append(settings, web.Setting{Group: f.Group, Name: f.Name, Value: f.Value(cfg), Help: f.Help, Changed: cfg.IsSet(f.Name)})
		}
	}
	return web.New(web.Options{
		Version: version, TensorFlow: savedmodel.Version(), Settings: settings, Example: exampleRequest,
		Links: []web.Link{{Text: "metrics", Href: "metrics"}, {Text: "models", Href: "v1/models"}, {Text: "readiness", Href: "readyz"}},
	})
}

// freezing are --freeze_variables' words.
var freezing = map[string]rewrite.Mode{"auto": rewrite.Auto, "always": rewrite.Always, "never": rewrite.Never}

// bundleOptions choose instances and batching for the machine, where flags and files do not.
func (a *app) bundleOptions(cores int) bundle.Options {
	o := bundle.Options{
		Tags:             a.cfg.TensorFlow.Tags,
		Session:          a.files.Session,
		NoPrune:          !a.cfg.TensorFlow.Prune,
		Freeze:           freezing[a.cfg.TensorFlow.Freeze],
		Scratch:          a.cfg.TensorFlow.ScratchDir,
		Instances:        cores,
		Batch:            a.cfg.Batching.Enabled,
		PerModelBatching: a.cfg.Batching.PerModel,
		Warmup:           a.cfg.Lifecycle.Warmup,
		WarmupIterations: a.cfg.Lifecycle.WarmupIterations,
		SyntheticWarmup:  a.cfg.Lifecycle.SyntheticWarmup,
		CheckMethodNames: a.cfg.TensorFlow.CheckMethodNames,
		Observer:         a.telemetry.BatchObserver,
		Loaded:           a.telemetry.SavedModelLoaded,
		WarmedUp:         a.telemetry.WarmedUp,
		Logger:           a.log,
	}
	o.Batching.MaxBatchSize, o.Batching.MaxQueuedRows = a.cfg.Batching.MaxBatchSize, a.cfg.Batching.MaxQueuedRows
	atOnce := cores
	if b := a.files.Batching; b != nil {
		o.Batching = b.Config()
		if b.Given("num_batch_threads") {
			atOnce = b.NumBatchThreads
			o.Instances = b.NumBatchThreads
		}
	}
	if n := a.cfg.Batching.Instances; n > 0 {
		o.Instances = n
		atOnce = max(atOnce, n)
	}
	if a.page != nil {
		o.Observer = a.page.BatchObserver(a.telemetry.BatchObserver)
	}
	o.Batching.Logger = a.log
	o.Limiter = batcher.NewLimiter(atOnce)
	return o
}
