package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"shoal/benchmarks/limits"
	"shoal/loadtest/load"
	"shoal/loadtest/tune"
)

// raw measures ModelInfer with raw tensors beside Predict, beside a gRPC server that only takes in the same bytes, and beside the model
// in a loop.
func (s *suite) raw(ctx context.Context) error {
	for _, part := range []struct {
		name, model, dir string
		rows, clients    int
	}{
		{"MLP, 1 row", "mlp", filepath.Join(s.models, "test", "mlp"), 1, clients},
		{"MLP, 64 rows", "mlp", filepath.Join(s.models, "test", "mlp"), 64, 8},
		{"224×224×3 floats", "mobilenet_v2", filepath.Join(s.models, "bench", "mobilenet_v2"), 1, 4},
	} {
		if _, err := os.Stat(part.dir); err != nil {
			s.add(goal{Name: "16 raw gRPC, " + part.name, AtLeast: 0.9, Skipped: "the models are not there"})
			continue
		}
		if err := s.rawModel(ctx, part.name, part.model, part.dir, part.rows, part.clients); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func (s *suite) rawModel(ctx context.Context, name, model, dir string, rows, clients int) error {
	shoal, err := limits.StartShoal(ctx, s.binary, model, dir)
	if err != nil {
		return err
	}
	defer shoal.Stop()
	w, err := newWork(shoal, model, rows, 8)
	if err != nil {
		return err
	}
	answer, err := w.rawAnswer(ctx, shoal)
	if err != nil {
		return err
	}
	echo, err := startOther(ctx, roleGRPC, answer)
	if err != nil {
		return err
	}
	defer echo.Stop()
	loop, err := tune.OpenLoop(filepath.Join(dir, "1"), tune.LoopOptions{Instances: runtime.NumCPU()})
	if err != nil {
		return err
	}
	defer loop.Close()

	// The first batches of each size are slow, and the largest size is still being found.
	if _, err := w.overGRPC(ctx, shoal, clients, s.length); err != nil {
		return err
	}
	var raw, predict, bare, looped, cpu, predictCPU, bareCPU []float64
	for range rounds {
		m, err := w.overRaw(ctx, shoal, load.InferMethod, clients, s.length)
		if err != nil {
			return err
		}
		p, err := w.overGRPC(ctx, shoal, clients, s.length)
		if err != nil {
			return err
		}
		e, err := w.overRaw(ctx, echo, load.PredictMethod, clients, s.length/2)
		if err != nil {
			return err
		}
		best := 0.0
		for _, batch := range []int{rows, 8 * rows} {
			r, err := loop.Throughput(batch, s.length/4)
			if err != nil {
				return err
			}
			best = max(best, r/float64(rows))
		}
		raw, predict, bare, looped = append(raw, m.Throughput), append(predict, p.Throughput), append(bare, e.Throughput), append(looped, best)
		cpu, predictCPU, bareCPU = append(cpu, cpuMicros(m)), append(predictCPU, cpuMicros(p)), append(bareCPU, cpuMicros(e))
	}
	s.say("%s: ModelInfer %s and %.1f µs of CPU a request; Predict %s and %.1f µs; a gRPC server that only takes them in %s and %.1f µs; the loop %s",
		name, rate(median(raw)), median(cpu), rate(median(predict)), median(predictCPU), rate(median(bare)), median(bareCPU), rate(median(looped)))
	s.add(goal{Name: "16 raw gRPC, " + name + ", CPU a request", Measured: fmt.Sprintf("%.1f µs", median(cpu)), Limit: fmt.Sprintf("%.1f µs by Predict", median(predictCPU)),
		Ratio: median(cpu) / median(predictCPU), AtMost: 1.03})
	if rows*clients <= 4 { // what the others take for messages is no small part of their time
		s.add(goal{Name: "16 raw gRPC, " + name, Measured: rate(median(raw)), Limit: rate(median(looped)) + " raw", Ratio: median(raw) / median(looped), AtLeast: 0.9})
		return nil
	}
	limit := 1 / (1/median(bare) + 1/median(looped))
	s.add(goal{Name: "16 raw gRPC, " + name, Measured: rate(median(raw)), Limit: rate(limit) + " composite", Ratio: median(raw) / limit, AtLeast: 0.85})
	return nil
}

// cpuMicros is what a request cost the server.
func cpuMicros(m *measured) float64 { return float64(m.cpu.Nanoseconds()) / 1e3 }
