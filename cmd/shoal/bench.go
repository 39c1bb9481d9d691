package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"shoal/configs"
	"shoal/loadtest/bench"
)

// keyVariable has the key of the commands that ask a server.
const keyVariable = "SHOAL_API_KEY"

// withoutKey is a command line that may be shown: without the value of --api_key.
func withoutKey(args []string) []string {
	shown := slices.Clone(args)
	for i, arg := range shown {
		switch name, _, joined := strings.Cut(strings.ReplaceAll(arg, "-", "_"), "="); {
		case strings.Trim(name, "_") != "api_key":
		case joined:
			shown[i] = "--api_key=…"
		case i+1 < len(shown):
			shown[i+1] = "…"
		}
	}
	return shown
}

// loadTest sends load to a server of the TensorFlow Serving kind and reports. SIGINT ends the sending; what is known by then is reported.
func loadTest(args []string, stdout, stderr io.Writer) error {
	c := &bench.Config{Tool: "shoal bench " + version, Command: append([]string{"shoal", "bench"}, withoutKey(args)...)}
	fs := benchFlags(c)
	targets, err := configs.ParseFlags(fs, args)
	if err == configs.ErrHelp {
		fmt.Fprintf(stdout, benchUsage, fs.FlagUsagesWrapped(110))
		return nil
	}
	if err != nil {
		return usageError(err)
	}
	c.Targets, c.Key = targets, cmp.Or(c.Key, os.Getenv(keyVariable))
	if err := c.Validate(); err != nil {
		return usageError(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return plain(bench.Run(ctx, c, stdout, bench.NewProgress(stderr, isTerminal(stderr))))
}

func benchFlags(c *bench.Config) *pflag.FlagSet {
	fs := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	c.Register(fs)
	return fs
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

const benchUsage = `usage: shoal bench [flags] TARGET [TARGET]

Sends load to a server that speaks TensorFlow Serving's REST or gRPC, and reports throughput and latency.
TARGET is http://localhost:8501, grpc://localhost:8500, or any URL that takes the request given with --body.

  shoal bench localhost:8501 --model=mlp                         64 clients, one request after the other
  shoal bench localhost:8501 --model=mlp --rate=2000             2000 requests a second, whatever happens
  shoal bench localhost:8501 --model=mlp --find-max --p99=20ms   the highest rate with 99%% within 20 ms
  shoal bench localhost:8501 --model=mlp --curve --html=r.html   latency from 10%% to 120%% of it, as a page
  shoal bench --compare localhost:8501 localhost:9501 --model=mlp

%s`
