package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"shoal/configs"
	"shoal/engine/tensorflow"
	"shoal/loadtest/report"
	"shoal/loadtest/tune"
)

// tuneModel measures a model with batches, instances and threads of many sizes, and recommends settings. SIGINT ends the
// measuring; the choice is made from what is known by then.
func tuneModel(args []string, stdout, stderr io.Writer) error {
	var c tuneConfig
	fs := c.flags()
	o := &c.Options
	dirs, err := configs.ParseFlags(fs, args)
	if err == configs.ErrHelp {
		fmt.Fprintf(stdout, tuneUsage, fs.FlagUsagesWrapped(110))
		return nil
	}
	if err != nil {
		return usageError(err)
	}
	if c.base != "" {
		dirs = append(dirs, c.base)
	}
	switch {
	case len(dirs) != 1:
		return usageError(fmt.Errorf("one directory is needed: shoal tune MODEL_DIR"))
	case o.Time <= 0 || o.P99 < 0 || o.Largest < 1 || o.Cores < 0:
		return usageError(fmt.Errorf("--time and --max-batch-size must be positive, --p99 and --cores not negative"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var release func()
	if o.Dir, _, release, err = fetchNewest(ctx, &configs.Default().Models, dirs[0]); err != nil {
		return plain(err)
	}
	defer release()
	for flag, path := range map[string]string{"--out": c.out, "--json": c.asJSON} {
		if path == "-" {
			continue
		}
		if err := report.Writable(path); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	begin, end, clear := "", "\n", ""
	if isTerminal(stderr) { // one line, written over again
		begin, end, clear = "\r\x1b[K", "", "\r\x1b[K"
	}
	o.Progress = func(done, all int, c *tune.Cell) {
		fmt.Fprintf(stderr, "%s%3d%%  batch %d, %d instances of %d threads: %.0f/s%s", begin, 100*done/all, c.Batch, c.Instances, c.Threads, c.Throughput, end)
	}
	if _, err := tensorflow.ReadMetaGraph(o.Dir, o.Tags); err != nil {
		return plain(err)
	}
	machine := report.ThisMachine()
	if busy, err := strconv.ParseFloat(machine.Load, 64); err == nil && busy > 0.5*float64(machine.Cores) {
		fmt.Fprintf(stderr, "the machine is busy (load average %s on %d cores): what is measured now is less than it can do\n", machine.Load, machine.Cores)
	}
	began := time.Now()
	r, err := tune.Run(ctx, *o)
	fmt.Fprint(stderr, clear)
	if err != nil {
		return plain(err)
	}
	if c.asJSON != "" {
		if err := writeJSON(c.asJSON, stdout, map[string]any{"model": o.Dir, "machine": machine, "result": r}); err != nil {
			return err
		}
	}
	if c.asJSON != "-" {
		fmt.Fprintf(stdout, "%s, signature %s, on %s, %d cores\n\n", o.Dir, r.Signature, machine.CPU, machine.Cores)
		if err := r.WriteTable(stdout); err != nil {
			return err
		}
	}
	if c.out != "" {
		head := fmt.Sprintf("Written by shoal tune %s for %s on %s, %d cores, %s.", version, o.Dir, machine.CPU, machine.Cores, began.Format("2006-01-02"))
		if err := r.WriteFile(c.out, head); err != nil {
			return err
		}
		if c.asJSON != "-" {
			fmt.Fprintf(stdout, "written to %s, for --batching_parameters_file=%s\n", c.out, c.out)
		}
	}
	return nil
}

// tuneConfig is a command line.
type tuneConfig struct {
	tune.Options
	base, out, asJSON string
}

func (c *tuneConfig) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("tune", pflag.ContinueOnError)
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	fs.SortFlags = false
	fs.StringVar(&c.base, "model-base-path", "", "the model's `DIR`, instead of the argument")
	fs.DurationVar(&c.Time, "time", 30*time.Second, "for all measurements together; loading the model comes on top")
	fs.DurationVar(&c.P99, "p99", 0, "recommend the most throughput with 99% of the requests answered within this time; 0: the most there is")
	fs.IntVar(&c.Largest, "max-batch-size", 512, "the largest batch tried")
	fs.IntVar(&c.Cores, "cores", 0, "instances × threads tried; 0: all cores")
	fs.StringVar(&c.Signature, "signature", "", "the signature's `NAME`; the default one otherwise")
	fs.IntVar(&c.Unknown, "unknown-dim", 1, "made-up size of dimensions that the signature leaves open, other than the first")
	fs.StringSliceVar(&c.Tags, "saved-model-tags", []string{"serve"}, "tags of the meta graph")
	fs.StringVar(&c.out, "out", "", "write the recommendation to `FILE`, for --batching_parameters_file")
	fs.StringVar(&c.asJSON, "json", "", "write the table as JSON to `FILE`; - is the standard output")
	return fs
}

func writeJSON(path string, stdout io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if path == "-" {
		_, err = stdout.Write(append(b, '\n'))
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644) //nolint:gosec // a report, not a secret
}

const tuneUsage = `usage: shoal tune [flags] MODEL_DIR

Runs a SavedModel in this process, without a server, with batches, instances and threads of many sizes, prints what each
setting reaches, and recommends flags for shoal serve. MODEL_DIR is a version's directory, or a model's, of which the newest
version is taken. Nothing else should use the machine meanwhile.

  shoal tune models/mlp                                    the highest throughput
  shoal tune models/mlp --p99=20ms --out=batching.config   the highest with answers within 20 ms; as a file, too

%s`
