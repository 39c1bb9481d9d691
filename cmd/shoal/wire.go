package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"shoal/batcher"
	"shoal/configs"
	"shoal/devices"
	"shoal/engine"
	"shoal/engine/openvino"
	"shoal/engine/tensorflow"
	"shoal/engine/tensorflow/rewrite"
	"shoal/serving"
	"shoal/serving/bundle"
	"shoal/serving/manager"
	"shoal/serving/oip/oiprpc"
	"shoal/serving/predictionlog"
	"shoal/serving/rest"
	"shoal/serving/rest/v1"
	"shoal/serving/rest/v2"
	"shoal/serving/rpc"
	"shoal/telemetry"
	"shoal/web"
)

// newApp makes the parts; nothing runs and nothing listens before run.
func newApp(ctx context.Context, cfg *configs.Server, files *configFiles, cores int, log *slog.Logger, level *slog.LevelVar, linesDropped func() int64) (a *app, err error) {
	a = &app{cfg: cfg, files: files, log: log, level: level, memory: newMemory(cfg)}
	if a.fleet, err = newFleet(cfg, files, devices.NewNVML(), log); err != nil {
		return nil, err
	}
	for _, lib := range cfg.TensorFlow.CustomOps {
		if err := tensorflow.LoadOpLibrary(lib); err != nil {
			return nil, err
		}
		log.Info("custom op library loaded", slog.String("file", lib))
	}
	tensorflow.SearchOps(opSearchPath(cfg), log)
	if a.telemetry, err = newTelemetry(ctx, cfg, log, linesDropped); err != nil {
		return nil, err
	}
	a.logs = predictionlog.NewLogs(predictionlog.Options{Logger: log, Tags: cfg.TensorFlow.Tags, Recorded: a.telemetry.RequestLogged})
	if cfg.Monitoring.StatusPage && (cfg.RESTListen() != "" || cfg.AdminListen() != "") {
		a.page = newPage(cfg, a.fleet)
	}
	loads := newEngine(cfg, files)
	sources := newSources(&cfg.Models, loads, log)
	a.manager = manager.New(manager.Options{
		Loader:                    bundle.NewLoader(a.bundleOptions(cores)),
		Source:                    sources,
		PollWait:                  cfg.Lifecycle.VersionPoll,
		NumLoadThreads:            cfg.Lifecycle.LoadThreads,
		NumUnloadThreads:          cfg.Lifecycle.UnloadThreads,
		MaxLoadRetries:            cfg.Lifecycle.MaxLoadRetries,
		LoadRetryInterval:         cfg.Lifecycle.LoadRetryInterval,
		AllowLabelsForUnavailable: cfg.Models.LabelsForUnavailable,
		AwaitRepository:           len(cfg.Models.Repositories) > 0,
		Logger:                    log,
		Hooks:                     a.memory.follow(a.telemetry.ServingHooks()),
	})
	if roots := cfg.Models.Repositories; len(roots) > 0 {
		a.repository = &manager.Repository{
			Manager: a.manager, Lister: sources, Roots: roots, Platform: loads.Platform(), Explicit: cfg.Models.Control == "explicit",
			Every: cfg.Lifecycle.VersionPoll, Logger: log,
		}
	}
	a.telemetry.Watch(a.manager)
	a.telemetry.WatchDevices(a.fleet)
	a.telemetry.WatchBudget(a.memory.budget)
	if a.page != nil {
		a.page.Watch(a.manager)
	}
	if cfg.RESTListen() != "" {
		if a.rest, err = a.newREST(false); err != nil {
			return nil, err
		}
	}
	if cfg.GRPCListen() != "" || cfg.GRPC.SocketPath != "" {
		if a.rpc, err = a.newRPC(false); err != nil {
			return nil, err
		}
	}
	return a, a.newAdmin()
}

// opSearchPath is --custom_op_search_path, with patterns in place of auto.
func opSearchPath(cfg *configs.Server) (dirs []string) {
	for _, dir := range cfg.TensorFlow.OpSearchPath {
		switch dir {
		case "none":
		case "auto":
			if program, err := os.Executable(); err == nil {
				dirs = append(dirs, filepath.Join(filepath.Dir(program), "..", "lib", "ops"))
			}
			dirs = append(dirs, "/usr/local/lib/python3*/*-packages", "/usr/lib/python3*/*-packages")
		default:
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func newTelemetry(ctx context.Context, cfg *configs.Server, log *slog.Logger, linesDropped func() int64) (*telemetry.Telemetry, error) {
	m := cfg.Monitoring
	return telemetry.New(ctx, telemetry.Options{
		Version: version, TensorFlow: tensorflow.Version(), Logger: log, LinesDropped: linesDropped,
		Triton: m.Triton, AccessLogRatio: m.AccessLogRatio,
		SlowBatches: telemetry.SlowBatches{
			Budget: m.SlowBatchBudget,
			Dir:    cmp.Or(m.SlowBatchDir, filepath.Join(os.TempDir(), "shoal-slow-batches")),
			Files:  m.SlowBatchFiles,
		},
	})
}

// observer is shown the calls of both protocols.
func (a *app) observer() serving.Observer {
	if a.page == nil {
		return a.telemetry
	}
	return serving.Join(a.telemetry, a.page)
}

// newREST makes the REST API's server, or the administration's.
func (a *app) newREST(admin bool) (*rest.Server, error) {
	tls, err := restTLS(a.cfg)
	if err != nil {
		return nil, err
	}
	o := rest.Options{
		Core:            a.manager,
		Logger:          a.log,
		Version:         version,
		Timeout:         a.cfg.REST.Timeout,
		MaxRequestBytes: int(a.cfg.REST.MaxRequestBytes),
		DecodeLimit:     a.cfg.REST.Threads,
		MinTransferRate: a.cfg.REST.MinTransferRate,
		Budget:          a.memory.budget,
		CORS:            a.cfg.REST.CORS && !admin, // pages of any origin have no business with the administration
		TLS:             tls,
		APIs: []rest.API{
			v1.New(v1.Options{Core: a.manager, CheckMethodName: a.cfg.TensorFlow.CheckMethodNames, Logs: a.logs}),
			v2.New(v2.Options{
				Core: a.manager, Repository: a.repositoryFor(admin), Version: version, Counted: a.telemetry.Statistics, Logs: a.logs, Log: a.level, Tracing: a.telemetry.Tracing(),
				AdminRefused: a.cfg.RESTAdminRefused(admin),
			}),
		},
		Observer:       a.observer(),
		MakeRequestIDs: a.telemetry.ShowsRequests(),
		Paths:          a.pages(admin),
		Keys:           a.files.keys,
		Open:           web.IsStatic,
	}
	return rest.New(o), nil
}

// newRPC makes the gRPC API's server, or the administration's.
func (a *app) newRPC(admin bool) (*rpc.Server, error) {
	args, err := rpc.ParseChannelArguments(a.cfg.GRPC.ChannelArguments)
	if err != nil {
		return nil, err
	}
	o := rpc.Options{
		Core:                     a.manager,
		Logger:                   a.log,
		Logs:                     a.logs,
		Reload:                   a.reload,
		ReloadRefused:            a.cfg.ReloadRefused(admin),
		AdminRefused:             a.cfg.AdminRefused(admin),
		Keys:                     a.files.keys,
		Budget:                   a.memory.budget,
		MinTransferRate:          a.cfg.REST.MinTransferRate,
		Counter:                  a.telemetry.Counter,
		Observer:                 a.observer(),
		TLS:                      a.files.SSL,
		MaxRequestBytes:          a.cfg.REST.MaxRequestBytes,
		MaxMessageBytes:          a.maxMessageBytes(),
		MaxConcurrentStreams:     uint32(a.cfg.GRPC.MaxThreads),
		ChannelArguments:         args,
		SerializeAsTensorContent: a.cfg.GRPC.SerializeAsTensorContent,
		CheckMethodName:          a.cfg.TensorFlow.CheckMethodNames,
		MakeRequestIDs:           a.telemetry.ShowsRequests(),
	}
	s, err := rpc.New(o)
	if err != nil {
		return nil, err
	}
	oiprpc.Register(s, oiprpc.Options{Version: version, Repository: a.repositoryFor(admin), Statistics: a.telemetry.Statistics, Log: a.level, Tracing: a.telemetry.Tracing()})
	return s, nil
}

// maxMessageBytes is gRPC's limit where somebody set one: without, as much is taken as by TensorFlow Serving.
func (a *app) maxMessageBytes() int64 {
	if !a.cfg.IsSet("max_request_bytes") {
		return 0
	}
	return a.cfg.REST.MaxRequestBytes
}

// newPage is the status page, with the effective configuration on it.
func newPage(cfg *configs.Server, fleet devices.Reader) *web.Page {
	var settings []web.Setting
	for f := range configs.Flags() {
		if f.Noted == "" && f.Name != "version" {
			settings = append(settings, web.Setting{Group: f.Group, Name: f.Name, Value: f.Value(cfg), Help: f.Help, Changed: cfg.IsSet(f.Name)})
		}
	}
	return web.New(web.Options{
		Devices: fleet,
		Version: version, TensorFlow: tensorflow.Version(), Settings: settings, Example: pageExample,
		Links: []web.Link{{Text: "metrics", Href: "metrics"}, {Text: "models", Href: "v1/models"}, {Text: "API description", Href: "openapi.json"}, {Text: "readiness", Href: "readyz"}},
	})
}

// freezing are --freeze_variables' words.
var freezing = map[string]rewrite.Mode{"auto": rewrite.Auto, "always": rewrite.Always, "never": rewrite.Never}

// newEngine is what loads models.
func newEngine(cfg *configs.Server, files *configFiles) engine.Engine {
	return &tensorflow.Engine{
		Tags: cfg.TensorFlow.Tags, Session: files.Session, VirtualCPUs: cfg.Devices.VirtualCPUs,
		NoPrune: !cfg.TensorFlow.Prune, Freeze: freezing[cfg.TensorFlow.Freeze], ScratchDir: cfg.TensorFlow.ScratchDir,
	}
}

// newSecond is the engine for signatures of models that newEngine's has loaded.
func newSecond(cfg *configs.Server) engine.Second {
	openvino.SetLibraryDir(cfg.Engines.OpenVINODir)
	return openvino.Second{}
}

// engineModes are --engine's words.
var engineModes = map[string]bundle.EngineMode{"tensorflow": bundle.OneEngine, "auto": bundle.FasterEngine, "openvino": bundle.SecondEngine}

// engineMode says how a model's signatures are run: as the instance groups say, or else --engine.
func engineMode(cfg *configs.Server, groups *devices.Groups) func(model string) bundle.EngineMode {
	return func(model string) bundle.EngineMode {
		return engineModes[cmp.Or(groups.Engine(model), cfg.Engines.Use)]
	}
}

// bundleOptions choose instances and batching for the machine, where flags and files do not.
func (a *app) bundleOptions(cores int) bundle.Options {
	o := bundle.Options{
		Engine:           newEngine(a.cfg, a.files),
		Second:           newSecond(a.cfg),
		EngineMode:       engineMode(a.cfg, a.files.groups),
		EngineTolerance:  a.cfg.Engines.Tolerance,
		EngineMinGain:    a.cfg.Engines.MinGain,
		Instances:        max(cores/max(a.cfg.Devices.VirtualCPUs, 1), 1),
		GPUInstances:     instancesOfGPU,
		Devices:          a.fleet,
		Batch:            batchMode(a.cfg, a.files),
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
	o.BatchingFrom = "--max_batch_size"
	atOnce := cores
	if b := a.files.Batching; b != nil {
		o.Batching = batcherConfig(b)
		o.BatchingFrom = "--batching_parameters_file"
		if b.Given("num_batch_threads") {
			atOnce = b.NumBatchThreads
			o.Instances, o.GPUInstances = b.NumBatchThreads, b.NumBatchThreads
		}
	}
	if a.cfg.Batching.PerModel {
		o.OwnBatching = ownBatching
	}
	if n := a.cfg.Batching.Instances; n > 0 {
		o.Instances, o.GPUInstances = n, n
		atOnce = max(atOnce, n)
	}
	if a.page != nil {
		o.Observer = a.page.BatchObserver(a.telemetry.BatchObserver)
	}
	if a.telemetry.Tracing() {
		o.Trace = telemetry.TraceOf
	}
	o.Batching.Logger, o.Batching.Objective, o.Batching.StuckAfter = a.log, a.cfg.Batching.Objective, a.cfg.Batching.StuckAfter
	o.Priorities = func(model string) batcher.Priorities { return prioritiesOf(a.files.Queues.For(model)) }
	o.Limiter = batcher.NewLimiter(atOnce, a.cfg.Batching.Weights)
	o.Batching.Memory = batcher.NewMemory(a.cfg.Batching.MaxQueuedBytes)
	return o
}

// batchMode is which signatures are batched: those that are proven to be independent, unless the operator has decided.
func batchMode(cfg *configs.Server, files *configFiles) bundle.Mode {
	switch {
	case cfg.Batching.Enabled == configs.Off:
		return bundle.BatchNone
	case cfg.Batching.Enabled == configs.On, files.Batching != nil:
		return bundle.BatchAll
	}
	return bundle.BatchProven
}
