package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/configs"
	"shoal/savedmodel"
	"shoal/serving"
	"shoal/serving/bundle"
	"shoal/serving/predictionlog"
	"shoal/serving/rest"
	"shoal/serving/rpc"
)

// app is the server's parts, wired.
type app struct {
	cfg     *configs.Server
	files   *configs.Files
	log     *slog.Logger
	manager *serving.Manager
	logs    *predictionlog.Logs
	rest    *rest.Server // nil: no REST
	rpc     *rpc.Server  // nil: no gRPC
}

// newApp makes the parts; nothing runs and nothing listens before run.
func newApp(cfg *configs.Server, files *configs.Files, cores int, log *slog.Logger) (*app, error) {
	a := &app{cfg: cfg, files: files, log: log, logs: predictionlog.NewLogs(predictionlog.Options{Logger: log, Tags: cfg.TensorFlow.Tags})}
	for _, lib := range cfg.TensorFlow.CustomOps {
		if err := savedmodel.LoadOpLibrary(lib); err != nil {
			return nil, err
		}
		log.Info("custom op library loaded", slog.String("file", lib))
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
	})
	if cfg.RESTListen() != "" {
		tls, err := restTLS(cfg)
		if err != nil {
			return nil, err
		}
		a.rest = rest.New(rest.Options{
			Core:            a.manager,
			Logger:          log,
			Version:         version,
			Timeout:         cfg.REST.Timeout,
			MaxRequestBytes: int(cfg.REST.MaxRequestBytes),
			DecodeLimit:     cfg.REST.Threads,
			CORS:            cfg.REST.CORS,
			CheckMethodName: cfg.TensorFlow.CheckMethodNames,
			TLS:             tls,
			Logs:            a.logs,
		})
	}
	if cfg.GRPCListen() != "" || cfg.GRPC.SocketPath != "" {
		args, err := rpc.ParseChannelArguments(cfg.GRPC.ChannelArguments)
		if err != nil {
			return nil, err
		}
		a.rpc, err = rpc.New(rpc.Options{
			Core:                     a.manager,
			Logger:                   log,
			Logs:                     a.logs,
			Reload:                   a.reload,
			TLS:                      files.SSL,
			MaxRequestBytes:          cfg.REST.MaxRequestBytes,
			MaxConcurrentStreams:     uint32(cfg.GRPC.MaxThreads),
			ChannelArguments:         args,
			SerializeAsTensorContent: cfg.GRPC.SerializeAsTensorContent,
			CheckMethodName:          cfg.TensorFlow.CheckMethodNames,
		})
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// bundleOptions choose instances and batching for the machine, where flags and files do not.
func (a *app) bundleOptions(cores int) bundle.Options {
	o := bundle.Options{
		Tags:             a.cfg.TensorFlow.Tags,
		Session:          a.files.Session,
		Instances:        cores,
		Batch:            a.cfg.Batching.Enabled,
		PerModelBatching: a.cfg.Batching.PerModel,
		Warmup:           a.cfg.Lifecycle.Warmup,
		WarmupIterations: a.cfg.Lifecycle.WarmupIterations,
		SyntheticWarmup:  a.cfg.Lifecycle.SyntheticWarmup,
		CheckMethodNames: a.cfg.TensorFlow.CheckMethodNames,
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
	o.Batching.Logger = a.log
	o.Limiter = batcher.NewLimiter(atOnce)
	return o
}

// run listens, loads the models and serves until ctx ends, and then stops in this order: not ready; no new connections, what
// was accepted is answered; the versions are unloaded. It returns nil when nothing was lost.
func (a *app) run(ctx context.Context) (err error) {
	restOn, rpcOn, err := a.listen()
	if err != nil {
		return err
	}
	background, cancel := context.WithCancel(context.Background())
	defer cancel()
	var parts sync.WaitGroup
	failed := make(chan error, 3)
	if a.rest != nil {
		parts.Go(func() { failed <- a.rest.Serve(restOn) })
	}
	if a.rpc != nil {
		parts.Go(func() { failed <- a.rpc.Serve(rpcOn...) })
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
	var servers sync.WaitGroup
	var errRest, errRPC error
	if a.rest != nil {
		servers.Go(func() { errRest = a.rest.Shutdown(ctx) })
	}
	if a.rpc != nil {
		servers.Go(func() { errRPC = a.rpc.Shutdown(ctx) })
	}
	servers.Wait()
	errModels := a.manager.Close(ctx)
	if err := errors.Join(errRest, errRPC, errModels, a.logs.Close()); err != nil {
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

// loadModels applies the first configuration and starts to poll the configuration file. It fails where the configuration is
// wrong; a model that cannot be loaded is no such thing.
func (a *app) loadModels(ctx, background context.Context, parts *sync.WaitGroup) error {
	if err := a.logs.Set(a.files.Models.Logging); err != nil {
		return err
	}
	if err := a.firstConfig(ctx, a.files.Models.Configs); err != nil {
		return err
	}
	if a.cfg.Models.ConfigFile == "" || a.cfg.Models.ConfigPoll <= 0 {
		return nil
	}
	file := &serving.ConfigFile{
		Read: func() ([]byte, error) { return os.ReadFile(a.cfg.Models.ConfigFile) },
		Set: func(ctx context.Context, content []byte) error {
			models, err := configs.ParseModels(a.cfg.Models.ConfigFile, content)
			if err != nil {
				return err
			}
			if err := a.manager.SetConfig(ctx, models.Configs); err != nil {
				return err
			}
			return a.logs.Set(models.Logging)
		},
		Every:  a.cfg.Models.ConfigPoll,
		Logger: a.log.With(slog.String("file", a.cfg.Models.ConfigFile)),
	}
	parts.Go(func() { file.Watch(background) })
	return nil
}

// firstConfig applies the configuration at start. A label may only name an available version; at start none is available yet,
// so that the labels are given once the models have settled.
func (a *app) firstConfig(ctx context.Context, models []serving.ModelConfig) error {
	labelled := slices.ContainsFunc(models, func(m serving.ModelConfig) bool { return len(m.Labels) > 0 })
	if !labelled || a.cfg.Models.LabelsForUnavailable {
		return a.manager.SetConfig(ctx, models)
	}
	bare := slices.Clone(models)
	for i := range bare {
		bare[i].Labels = nil
	}
	if err := a.manager.SetConfig(ctx, bare); err != nil {
		return err
	}
	if err := a.manager.WaitSettled(ctx); err != nil {
		return nil // told to stop meanwhile
	}
	return a.manager.SetConfig(ctx, models)
}

// reload is HandleReloadConfigRequest.
func (a *app) reload(ctx context.Context, config *config_go_proto.ModelServerConfig) error {
	models, err := configs.ModelsFromProto(config)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	a.log.Info("configuration received by gRPC", slog.Int("models", len(models.Configs)))
	if err := a.manager.Reload(ctx, models.Configs); err != nil {
		return err
	}
	return a.logs.Set(models.Logging)
}
