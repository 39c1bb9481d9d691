package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"shoal/benchmarks/limits"
	"shoal/loadtest/load"
)

// overload is the second half of goal 5: what a request costs that is refused for the latency objective, beside one that is
// answered. Nearly all are refused, as the model takes 20 ms for each; what its runs cost by themselves is measured with one
// client and taken off, while the other cores are as busy: they may share their units with it.
func (s *suite) overload(ctx context.Context) error {
	slow, err := limits.StartShoal(ctx, s.binary, "slow", filepath.Join(s.models, "test", "slow"),
		"--max_batch_size=1", "--instances=1", "--latency_objective=30ms")
	if err != nil {
		return err
	}
	defer slow.Stop()
	w, err := newWork(slow, "slow", 1, 16)
	if err != nil {
		return err
	}
	mlp, err := limits.StartShoal(ctx, s.binary, "mlp", filepath.Join(s.models, "test", "mlp"))
	if err != nil {
		return err
	}
	defer mlp.Stop()
	one, err := newWork(mlp, "mlp", 1, 128)
	if err != nil {
		return err
	}
	var refused, served, ratio []float64
	for range rounds {
		var run *measured
		err := besides(func() (err error) {
			run, err = w.overREST(ctx, slow, 1, s.length/2)
			return err
		})
		if err != nil {
			return err
		}
		cost, err := w.refused(ctx, slow, run.cpu, s.length)
		if err != nil {
			return err
		}
		m, err := one.overREST(ctx, mlp, clients, s.length/2)
		if err != nil {
			return err
		}
		refused, served = append(refused, micros(cost)), append(served, micros(m.cpu))
		ratio = append(ratio, micros(cost)/micros(m.cpu))
	}
	s.add(goal{Name: "5 CPU of a refusal, REST", Measured: fmt.Sprintf("%.1f µs", median(refused)),
		Limit: fmt.Sprintf("%.1f µs served", median(served)), Ratio: median(ratio), AtMost: 0.5})
	return nil
}

// besides does f while all cores but one compute.
func besides(f func() error) error {
	var done atomic.Bool
	var busy sync.WaitGroup
	for range runtime.NumCPU() - 1 {
		busy.Go(func() {
			for !done.Load() {
			}
		})
	}
	defer busy.Wait()
	defer done.Store(true)
	return f()
}

// refused is the server's processor time for each request that it refuses, where each that it answers takes run.
func (w *work) refused(ctx context.Context, p *limits.Process, run, d time.Duration) (time.Duration, error) {
	t, err := load.NewREST(w.url(p.REST), w.rest, nil, nil)
	if err != nil {
		return 0, err
	}
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	a, err := load.Start(ctx, t, load.Options{Clients: clients, Duration: d, Timeout: time.Minute})
	if err != nil {
		return 0, err
	}
	good, bad := 0, 0
	for block := range a.Results() {
		for i := range block {
			switch block[i].Outcome {
			case load.Good:
				good++
			case load.Refused:
				bad++
			default:
				return 0, fmt.Errorf("a request was neither answered nor refused: %v, code %d", block[i].Outcome, block[i].Code)
			}
		}
	}
	after, err := p.CPU()
	if err != nil {
		return 0, err
	}
	if bad < 10*good {
		return 0, fmt.Errorf("only %d of %d requests were refused", bad, good+bad)
	}
	return (after - before - time.Duration(good)*run) / time.Duration(bad), ctx.Err()
}
