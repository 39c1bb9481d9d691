package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"time"

	"shoal/loadtest/load"
	"shoal/loadtest/report"
	"shoal/loadtest/scenario"
)

// ErrVoid is returned, after the report, when the run does not count.
var ErrVoid = errors.New("the run is void")

// Run does what the command line asks for. The table goes to stdout, what happens meanwhile to progress.
func Run(ctx context.Context, c *Config, stdout io.Writer, progress *Progress) error {
	debug.SetGCPercent(400) // results live until they are counted: collecting less often disturbs the server less
	doc := &report.Document{Tool: c.Tool, Started: time.Now(), Command: c.Command, Seed: c.Seed, Machine: report.ThisMachine()}
	b := &bench{config: c, doc: doc, progress: progress}
	for flag, path := range map[string]string{"--json": c.JSON, "--html": c.HTML} {
		if err := report.Writable(path); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	for _, text := range c.Targets {
		t, err := newTarget(ctx, c, text)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		defer t.load.Close()
		b.targets = append(b.targets, t)
		doc.Targets = append(doc.Targets, t.about)
	}
	err := b.scenario(ctx)
	progress.Clear()
	doc.Took = time.Since(doc.Started).Round(100 * time.Millisecond).String()
	if err != nil && len(doc.Runs) == 0 && doc.Search == nil && doc.Compare == nil {
		return err
	}
	return errors.Join(err, b.report(stdout))
}

type bench struct {
	config   *Config
	doc      *report.Document
	progress *Progress
	targets  []*target
}

func (b *bench) report(stdout io.Writer) error {
	errs := []error{b.doc.WriteTable(stdout)}
	if b.config.JSON != "" {
		errs = append(errs, b.doc.WriteJSON(b.config.JSON))
	}
	if b.config.HTML != "" {
		errs = append(errs, b.doc.WriteHTML(b.config.HTML))
	}
	if b.doc.Void() != "" {
		errs = append(errs, ErrVoid)
	}
	return errors.Join(errs...)
}

func (b *bench) scenario(ctx context.Context) error {
	c, d := b.config, b.doc
	model := d.Targets[0].Model
	if model == "" {
		model = d.Targets[0].Address
	}
	switch {
	case c.Compare:
		d.Title, d.Load = "Two servers compared: "+model, b.loadText()
		return b.compare(ctx)
	case c.Curve:
		d.Title, d.Load = "Latency and throughput of "+model, "open loop, "+b.arrivals()+" arrivals"
		return b.curve(ctx)
	case c.FindMax:
		d.Title, d.Load = fmt.Sprintf("Highest rate of %s with p99 ≤ %v", model, c.P99), "open loop, "+b.arrivals()+" arrivals"
		return b.findMax(ctx)
	}
	d.Title, d.Load = "Load test of "+model, b.loadText()
	s, err := b.attack(ctx, b.targets[0], "", b.options(c.Rate, c.Seed))
	if err != nil {
		return err
	}
	d.Runs = []report.Run{{Name: "The run", Summary: s}}
	return nil
}

func (b *bench) arrivals() string {
	if b.config.Constant {
		return "evenly spaced"
	}
	return "Poisson"
}

func (b *bench) loadText() string {
	if b.config.Rate > 0 {
		return fmt.Sprintf("open loop, %g requests/s, %s arrivals", b.config.Rate, b.arrivals())
	}
	return fmt.Sprintf("closed loop, %d clients", b.config.Clients)
}

// options are a run's; rate 0 is a closed loop.
func (b *bench) options(rate float64, seed uint64) load.Options {
	c := b.config
	o := load.Options{Clients: c.Clients, Duration: c.Duration, Requests: c.Requests, Warmup: c.Warmup, Timeout: c.Timeout, Threads: c.Threads}
	if rate > 0 {
		o.Pacer = load.Poisson{PerSecond: rate, Seed: seed}
		if c.Constant {
			o.Pacer = load.Constant{PerSecond: rate}
		}
	}
	return o
}

func (b *bench) attack(ctx context.Context, t *target, name string, o load.Options) (*load.Summary, error) {
	r := load.NewRecorder(o, b.config.P99)
	a, err := load.Start(ctx, t.load, o)
	if err != nil {
		return nil, err
	}
	done := b.progress.Begin(name, o)
	s := load.Collect(a, r, b.progress.Update)
	done()
	return s, errors.Join(a.Err(), ctx.Err())
}

const (
	guessTime    = 2 * time.Second
	probeWarmup  = 500 * time.Millisecond
	minProbeTime = 2 * time.Second
	maxProbeTime = time.Minute
)

// probe runs at a rate for as long as the queries need.
func (b *bench) probe(ctx context.Context, rate float64, requests int, seed uint64) (*load.Summary, error) {
	o := b.options(rate, seed)
	needs := time.Duration(float64(requests) / rate * float64(time.Second))
	o.Requests, o.Warmup = 0, probeWarmup
	o.Duration = probeWarmup + min(max(needs, minProbeTime), maxProbeTime)
	// A server that is far too slow is known as such long before the probe's end.
	o.MaxBacklog = o.Clients + int(math.Ceil(rate*(2*b.config.P99).Seconds())) + 100
	o.Timeout = min(o.Timeout, max(time.Second, 20*b.config.P99))
	return b.attack(ctx, b.targets[0], fmt.Sprintf("%.0f/s", rate), o)
}

// search finds the highest rate, beginning near what a closed loop reaches.
func (b *bench) search(ctx context.Context) error {
	guess := b.config.Rate
	if guess == 0 {
		o := b.options(0, b.config.Seed)
		o.Clients, o.Requests, o.Warmup, o.Duration = min(defaultClients, o.Clients), 0, guessTime/4, guessTime
		s, err := b.attack(ctx, b.targets[0], "capacity", o)
		if err != nil {
			return err
		}
		if guess = s.Throughput; guess == 0 {
			return fmt.Errorf("no request of %d was answered well", s.Sent)
		}
	}
	search, err := scenario.FindMax(ctx, scenario.SearchOptions{
		Objective: scenario.Objective{Latency: b.config.P99, Quantile: 0.99}, Guess: guess, Seed: b.config.Seed, Tried: b.progress.Tried,
	}, b.probe)
	b.doc.Search = search
	return err
}

func (b *bench) findMax(ctx context.Context) error {
	if err := b.search(ctx); err != nil || b.doc.Search.Rate == 0 {
		return err
	}
	b.doc.Runs = []report.Run{{Name: fmt.Sprintf("At %.0f requests per second", b.doc.Search.Rate), Summary: b.doc.Search.Summary}}
	return nil
}

func (b *bench) curve(ctx context.Context) error {
	highest := b.config.Rate
	if highest == 0 {
		if err := b.search(ctx); err != nil {
			return err
		}
		if highest = b.doc.Search.Rate; highest == 0 {
			return nil
		}
	}
	steps, err := scenario.Curve(ctx, highest, func(ctx context.Context, rate float64, step int) (*load.Summary, error) {
		return b.attack(ctx, b.targets[0], fmt.Sprintf("step %d of 12, %.0f/s", step+1, rate), b.options(rate, b.config.Seed+uint64(step)))
	})
	b.doc.Curve = steps
	for _, s := range steps {
		if s.Share == 0.5 || s.Share == 1 {
			b.doc.Runs = append(b.doc.Runs, report.Run{Name: fmt.Sprintf("At %.0f%%: %.0f requests per second", 100*s.Share, s.Rate), Summary: s.Summary})
		}
	}
	return err
}

func (b *bench) compare(ctx context.Context) error {
	c := b.config
	cmp, err := scenario.Compare(ctx, c.Targets[0], c.Targets[1], c.Rounds, c.Seed, func(ctx context.Context, which, round int) (*load.Summary, error) {
		name := fmt.Sprintf("round %d of %d, %c", round+1, c.Rounds, 'A'+which)
		return b.attack(ctx, b.targets[which], name, b.options(c.Rate, c.Seed+uint64(round)))
	})
	b.doc.Compare = cmp
	if n := len(cmp.Rounds); n > 0 {
		b.doc.Runs = []report.Run{
			{Name: "A (" + c.Targets[0] + "), the last round", Summary: cmp.Rounds[n-1].A},
			{Name: "B (" + c.Targets[1] + "), the last round", Summary: cmp.Rounds[n-1].B},
		}
	}
	return err
}
