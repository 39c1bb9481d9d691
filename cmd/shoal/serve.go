package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/pflag"

	"shoal/configs"
	"shoal/devices"
	"shoal/engine/tensorflow"
	"shoal/internal/files"
)

// serve runs the server until SIGTERM or SIGINT; then it finishes what it accepted. A second signal ends it at once.
func serve(args []string, stdout, stderr io.Writer) error {
	cfg, files, err := configure(args, stdout, configs.WriteHelp)
	if cfg == nil || err != nil {
		return err
	}
	log, level, out := newLog(cfg, stderr)
	defer out.Close(flushTime)
	defer keepUpAt(cfg, log)()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal has its usual effect again

	cores := spareP()
	scheduling := cfg.Devices.CPUScheduling
	if scheduling == "batch" {
		if err := batchThreads(); err != nil { // it costs some throughput, and nothing else
			scheduling = "as it was: " + err.Error()
		}
	}
	defer runtime.KeepAlive(ballast())
	log.Info("shoal starts", slog.String("version", version), slog.String("tensorflow", tensorflow.Version()),
		slog.Int("cores", cores), slog.Int("gomaxprocs", runtime.GOMAXPROCS(0)), slog.String("scheduling", scheduling))
	all, changed := cfg.Effective()
	log.Debug("effective configuration", all)
	if len(changed.Value.Group()) > 0 {
		log.Info("configuration", changed)
	}
	for _, note := range cfg.Notes() {
		log.Warn(note)
	}
	for _, remark := range cfg.Remarks() {
		log.Info(remark)
	}
	left := new(underWay)
	return plain(untilOver(ctx, cfg, log, left, func() error {
		started := left.begin("the start")
		a, err := newApp(ctx, cfg, files, cores, log, level, out.Dropped)
		started()
		if err != nil {
			return err
		}
		a.left = left
		return a.run(ctx)
	}))
}

// serveFlags are those of serve and check.
func serveFlags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	configs.Default().Register(fs)
	return fs
}

// configure reads flags, environment and files. It returns nil where --help or --version was all that was asked for.
func configure(args []string, stdout io.Writer, help func(io.Writer) error) (*configs.Server, *configFiles, error) {
	cfg, err := configs.Parse(args, os.Environ())
	if errors.Is(err, configs.ErrHelp) {
		return nil, nil, help(stdout)
	}
	if err != nil {
		return nil, nil, usageError(err)
	}
	if cfg.ShowVersion {
		return nil, nil, printVersion(nil, stdout, nil)
	}
	files.SetTimeout(cfg.Lifecycle.FileTimeout)
	loaded, err := loadFiles(cfg)
	if err != nil {
		return nil, nil, err
	}
	return cfg, loaded, nil
}

const checkUsage = `usage: shoal check [flags of shoal serve]

Does all of serve but serving: it reads flags, environment, configuration files and SavedModels, lists every fault at once and
ends with code 1 where there is one, 2 for a wrong command line. Nothing is loaded, and no port is opened.

  shoal check --model_config_file=models.config
  shoal check --model_base_path=models/mlp --batching_parameters_file=batching.config

It takes the flags of serve; shoal serve --help lists them.
`

// check does all of serve but serving: it lists every fault of flags, environment and files.
func check(args []string, stdout, stderr io.Writer) error {
	cfg, files, err := configure(args, stdout, func(w io.Writer) error {
		_, err := io.WriteString(w, checkUsage)
		return err
	})
	if cfg == nil || err != nil {
		return err
	}
	for _, note := range cfg.Notes() {
		fmt.Fprintf(stdout, "note: %s\n", note)
	}
	loads, ctx := newEngine(cfg, files), context.Background()
	sources := newSources(&cfg.Models, loads, newLogger(cfg, cfg.Monitoring.LogLevel, stderr))
	models, faults := withRepositories(ctx, cfg, files.models.configs, sources)
	faults = append(faults, checkDevices(cfg, files, devices.NewNVML())...)
	faults = append(faults, checkModels(ctx, models, sources, loads)...)
	if len(faults) > 0 {
		return faults
	}
	fmt.Fprintf(stdout, "no faults; %d model(s) would be served\n", len(models))
	return nil
}

// spareP gives Go one processor more than there are cores, and returns the number of cores. While every core computes in
// TensorFlow, a goroutine that comes back from there would wait milliseconds for one of the processors that decode requests;
// with one to spare it does not. A GOMAXPROCS in the environment is left alone.
func spareP() (cores int) {
	cores = runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(cores + 1)
	}
	return cores
}
