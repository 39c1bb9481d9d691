// Command peers puts the same load on Shoal and on other servers of the same model, one after the other in turns, and prints a
// table. The others come from PyPI, with the versions of requirements.txt, into .cache/peers.
//
//	go run ./benchmarks/peers --shoal=bin/shoal
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"shoal/benchmarks/limits"
	"shoal/loadtest/bodies"
	"shoal/loadtest/load"
	"shoal/loadtest/report"
	"shoal/tensor"
)

// A peer is a server to measure.
type peer struct {
	name   string
	path   string // where it takes requests
	start  func(ctx context.Context) (*limits.Process, error)
	runs   []*load.Summary
	memory int64
	err    error
}

type options struct {
	shoal, python, model, cache string
	clients, rounds             int
	length                      time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.shoal, "shoal", "bin/shoal", "the server's program")
	flag.StringVar(&o.python, "python", "python3", "the interpreter for the others")
	flag.StringVar(&o.model, "model", ".cache/models/test/mlp", "the model's directory: 128 floats in, versions below it")
	flag.StringVar(&o.cache, "cache", ".cache", "where packages are kept")
	flag.IntVar(&o.clients, "clients", 64, "connections")
	flag.IntVar(&o.rounds, "rounds", 3, "runs of each server")
	flag.DurationVar(&o.length, "length", 4*time.Second, "of a run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context) error {
	if err := o.install(ctx); err != nil {
		return err
	}
	list, err := o.bodies()
	if err != nil {
		return err
	}
	m := report.ThisMachine()
	fmt.Printf("%s, %d cores, %s, load average %s at the start; %d connections, one instance of 128 floats a request\n\n", m.CPU, m.Cores, m.System, m.Load, o.clients)
	peers := o.peers()
	for round := range o.rounds {
		for _, p := range peers {
			if p.err == nil {
				fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, p.name)
				p.err = o.measure(ctx, p, list)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return errors.Join(table(peers), peers[0].err)
}

// install fetches the packages once for each state of requirements.txt.
func (o *options) install(ctx context.Context) error {
	required, err := os.ReadFile(filepath.Join("benchmarks", "peers", "requirements.txt"))
	if err != nil {
		return err
	}
	target := filepath.Join(o.cache, "peers")
	stamp := filepath.Join(target, ".requirements")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == string(required) {
		return nil
	}
	fmt.Fprintln(os.Stderr, "fetching mosec and LitServe from PyPI")
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	// An environment of its own: mosec finds its program only where its interpreter keeps programs.
	for _, step := range [][]string{
		{o.python, "-m", "venv", target},
		{filepath.Join(target, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", filepath.Join("benchmarks", "peers", "requirements.txt")},
	} {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(step, " "), err)
		}
	}
	return os.WriteFile(stamp, required, 0o644)
}

func (o *options) peers() []*peer {
	python := func(script string, args ...string) *exec.Cmd {
		dir, _ := filepath.Abs(filepath.Join("benchmarks", "peers", "python"))
		cache, _ := filepath.Abs(o.cache)
		model, _ := filepath.Abs(filepath.Join(o.model, "1"))
		cmd := exec.Command(filepath.Join(cache, "peers", "bin", "python"), append([]string{filepath.Join(dir, script)}, args...)...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+dir+":"+filepath.Join(cache, "python"),
			"MODEL="+model, fmt.Sprintf("WORKERS=%d", runtime.NumCPU()),
			"CUDA_VISIBLE_DEVICES=", "PYTHONDONTWRITEBYTECODE=1")
		return cmd
	}
	return []*peer{
		{name: "shoal", path: "/v1/models/m:predict", start: func(ctx context.Context) (*limits.Process, error) {
			dir, err := filepath.Abs(o.model)
			if err != nil {
				return nil, err
			}
			return limits.StartShoal(ctx, o.shoal, "m", dir)
		}},
		{name: "mosec", path: "/inference", start: func(ctx context.Context) (*limits.Process, error) {
			address := limits.FreeAddress()
			host, port, _ := net.SplitHostPort(address)
			return limits.Start(ctx, python("mosec_server.py", "--address", host, "--port", port), address)
		}},
		{name: "LitServe", path: "/predict", start: func(ctx context.Context) (*limits.Process, error) {
			address := limits.FreeAddress()
			_, port, _ := net.SplitHostPort(address)
			return limits.Start(ctx, python("litserve_server.py", port), address)
		}},
	}
}

func (o *options) bodies() ([]load.Body, error) {
	sig := &tensor.Signature{Name: bodies.DefaultSignature, Inputs: []tensor.Spec{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{-1, 128}}}}
	sizes, err := bodies.ParseSizes("1")
	if err != nil {
		return nil, err
	}
	requests, err := bodies.Random{Signature: sig, Sizes: sizes, Seed: 1}.Requests(128)
	if err != nil {
		return nil, err
	}
	list := make([]load.Body, len(requests))
	for i, r := range requests {
		if list[i], err = bodies.REST(sig, r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// measure starts the server for one run and ends it: nothing else runs beside it.
func (o *options) measure(ctx context.Context, p *peer, list []load.Body) error {
	server, err := p.start(ctx)
	if err != nil {
		return err
	}
	defer server.Stop()
	answers, err := load.NewAnswers(len(list), nil, load.ParseJSON)
	if err != nil {
		return err
	}
	t, err := load.NewREST("http://"+server.REST+p.path, list, answers, nil)
	if err != nil {
		return err
	}
	if err := warm(ctx, t); err != nil {
		return err
	}
	opt := load.Options{Clients: o.clients, Duration: o.length + o.length/2, Warmup: o.length / 2}
	a, err := load.Start(ctx, t, opt)
	if err != nil {
		return err
	}
	s := load.Collect(a, load.NewRecorder(opt, 0), nil)
	if s.Good == 0 || s.Good != s.Sent {
		return fmt.Errorf("of %d requests %d were answered well; codes %v", s.Sent, s.Good, s.Codes)
	}
	p.runs, p.memory = append(p.runs, s), max(p.memory, server.Memory())
	return nil
}

// warm sends single requests until one is answered well: some servers accept connections before their workers are ready.
func warm(ctx context.Context, t load.Target) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		o := load.Options{Clients: 1, Duration: time.Minute, Requests: 1, Timeout: 30 * time.Second}
		a, err := load.Start(ctx, t, o)
		if err == nil && load.Collect(a, load.NewRecorder(o, 0), nil).Good == 1 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("no request was answered well"), err, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// table prints the median runs.
func table(peers []*peer) error {
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\trequests/s\tp50 ms\tp99 ms\tmemory MiB\tshoal is\t")
	ours := 0.0
	for i, p := range peers {
		if p.err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.name, p.err)
			fmt.Fprintf(tw, "%s\tfailed\t\t\t\t\t\n", p.name)
			continue
		}
		slices.SortFunc(p.runs, func(a, b *load.Summary) int { return int(a.Throughput - b.Throughput) })
		m, times := p.runs[len(p.runs)/2], ""
		if i == 0 {
			ours = m.Throughput
		} else if ours > 0 {
			times = fmt.Sprintf("%.1f times it", ours/m.Throughput)
		}
		fmt.Fprintf(tw, "%s\t%.0f\t%.2f\t%.2f\t%d\t%s\t\n", p.name, m.Throughput, m.Latency.P50, m.Latency.P99, p.memory>>20, times)
	}
	return tw.Flush()
}
