package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/apis_go_proto"

	"shoal/benchmarks/limits"
	"shoal/loadtest/tune"
)

// suite measures the goals one after the other, each with what it is held against close by in time.
type suite struct {
	binary string
	models string
	length time.Duration // of a measured run
	goals  []goal
	say    func(format string, args ...any)
}

func specOf(model string) *apis_go_proto.ModelSpec { return &apis_go_proto.ModelSpec{Name: model} }

// clients is what the goals speak of: 64 connections.
const clients = 64

// rounds are measured in turns; the medians are compared.
const rounds = 3

// endToEnd measures goals 7, 12, 3 and 11 with the MLP.
func (s *suite) endToEnd(ctx context.Context) error {
	dir := filepath.Join(s.models, "test", "mlp")
	shoal, err := limits.StartShoal(ctx, s.binary, "mlp", dir)
	if err != nil {
		return err
	}
	defer shoal.Stop()
	loop, err := tune.OpenLoop(filepath.Join(dir, "1"), tune.LoopOptions{Instances: runtime.NumCPU()})
	if err != nil {
		return err
	}
	defer loop.Close()
	one, err := newWork(shoal, "mlp", 1, 128)
	if err != nil {
		return err
	}
	echo, err := startOther(ctx, roleEcho, one.answer)
	if err != nil {
		return err
	}
	defer echo.Stop()
	err = s.collector(shoal, func() error { return s.composite(ctx, shoal, echo, one, loop) })
	if err != nil {
		return err
	}
	if err := s.oneConnection(ctx, shoal, echo, one, loop); err != nil {
		return err
	}
	if err := s.offline(ctx, shoal, loop); err != nil {
		return err
	}
	if err := s.server(ctx, shoal, one); err != nil {
		return err
	}
	return s.manyInstances(ctx, shoal)
}

// composite is goal 7: what is left when reading and writing HTTP and running the model have taken their share.
func (s *suite) composite(ctx context.Context, shoal, echo *limits.Process, one *work, loop *tune.Loop) error {
	var got, bare, model, ratio, cpu []float64
	var batch, p99 float64
	for range rounds {
		m, err := one.overREST(ctx, shoal, clients, s.length)
		if err != nil {
			return fmt.Errorf("shoal: %w", err)
		}
		e, err := one.overREST(ctx, echo, clients, s.length)
		if err != nil {
			return fmt.Errorf("echo: %w", err)
		}
		batch, p99 = 1, m.Latency.P99
		if m.Server != nil {
			batch = m.Server.Batch
		}
		r, err := loop.Throughput(max(1, int(batch+0.5)), s.length/2)
		if err != nil {
			return err
		}
		got, bare, model = append(got, m.Throughput), append(bare, e.Throughput), append(model, r)
		ratio, cpu = append(ratio, m.Throughput*(1/e.Throughput+1/r)), append(cpu, float64(m.cpu.Microseconds()))
	}
	limit := 1 / (1/median(bare) + 1/median(model))
	s.say("REST, %d connections: %.0f/s, p99 %.2f ms, mean batch %.1f, %.1f µs of CPU a request; echo %.0f/s; session %.0f rows/s at that batch",
		clients, median(got), p99, batch, median(cpu), median(bare), median(model))
	s.add(goal{Name: "7 REST, one instance, 64 connections", Measured: rate(median(got)), Limit: rate(limit) + " composite", Ratio: median(ratio), AtLeast: 0.85})
	g, err := one.overGRPC(ctx, shoal, clients, s.length)
	if err != nil {
		return err
	}
	s.say("gRPC, %d clients: %.0f/s, p50 %.2f ms, p99 %.2f ms, %v of CPU a request", clients, g.Throughput, g.Latency.P50, g.Latency.P99, g.cpu)
	return nil
}

// oneConnection is goal 12: the mean, as the median of so short a time is a matter of microseconds.
func (s *suite) oneConnection(ctx context.Context, shoal, echo *limits.Process, one *work, loop *tune.Loop) error {
	var got, bare, ratio, told []float64
	var run float64
	for range rounds {
		m, err := one.overREST(ctx, shoal, 1, s.length/2)
		if err != nil {
			return err
		}
		e, err := one.overREST(ctx, echo, 1, s.length/2)
		if err != nil {
			return err
		}
		start, n, b := time.Now(), 0, loop.Batch(1)
		for ; time.Since(start) < s.length/4; n++ {
			if err := loop.RunOne(b); err != nil {
				return err
			}
		}
		run = time.Since(start).Seconds() * 1e3 / float64(max(n, 1))
		got, bare = append(got, m.Latency.Mean), append(bare, e.Latency.Mean)
		if m.Server != nil {
			told = append(told, m.Server.Run.Mean)
		}
		ratio = append(ratio, (m.Latency.Mean-run)/e.Latency.Mean)
	}
	s.say("one connection: the run takes %.0f µs in the server, and %.0f in a loop that keeps the processor awake and its caches full", 1e3*median(told), 1e3*run)
	s.add(goal{Name: "12 one connection, latency less Session.Run", Measured: fmt.Sprintf("%.0f − %.0f µs", 1e3*median(got), 1e3*run),
		Limit: fmt.Sprintf("%.0f µs echo", 1e3*median(bare)), Ratio: median(ratio), AtMost: 2})
	return nil
}

// manyInstances is goal 11: 64 instances of JSON against the echo of the same bodies.
func (s *suite) manyInstances(ctx context.Context, shoal *limits.Process) error {
	many, err := newWork(shoal, "mlp", 64, 16)
	if err != nil {
		return err
	}
	echo, err := startOther(ctx, roleEcho, many.answer)
	if err != nil {
		return err
	}
	defer echo.Stop()
	m, err := many.overREST(ctx, shoal, 8, s.length)
	if err != nil {
		return err
	}
	e, err := many.overREST(ctx, echo, 8, s.length)
	if err != nil {
		return err
	}
	s.add(goal{Name: "11 REST, 64 instances", Measured: rate(m.Throughput), Limit: rate(e.Throughput) + " echo", Ratio: m.Throughput / e.Throughput, AtLeast: 0.067})
	return nil
}

// images is the other half of goal 11, a 224×224×3 image of floats as JSON, and of goal 16, the same as a binary tensor.
func (s *suite) images(ctx context.Context) error {
	g, b := goal{Name: "11 REST, 224×224×3 floats", AtLeast: 0.9}, goal{Name: "16 binary REST, 224×224×3 floats", AtLeast: 0.9}
	dir := filepath.Join(s.models, "bench", "mobilenet_v2")
	if _, err := os.Stat(dir); err != nil {
		g.Skipped = "the benchmark models are not there (make bench-models)"
		b.Skipped = g.Skipped
		s.add(g)
		s.add(b)
		return nil
	}
	shoal, err := limits.StartShoal(ctx, s.binary, "mobilenet_v2", dir)
	if err != nil {
		return err
	}
	defer shoal.Stop()
	w, err := newWork(shoal, "mobilenet_v2", 1, 4)
	if err != nil {
		return err
	}
	loop, err := tune.OpenLoop(filepath.Join(dir, "1"), tune.LoopOptions{Instances: runtime.NumCPU()})
	if err != nil {
		return err
	}
	defer loop.Close()
	m, err := w.overREST(ctx, shoal, 4, 2*s.length)
	if err != nil {
		return err
	}
	binary, err := w.overBinary(ctx, shoal, 4, 2*s.length)
	if err != nil {
		return err
	}
	best := 0.0
	for _, rows := range []int{1, 4, 8} {
		r, err := loop.Throughput(rows, s.length/2)
		if err != nil {
			return err
		}
		best = max(best, r)
	}
	s.say("an image: %.2f ms of CPU as JSON, %.2f ms binary", m.cpu.Seconds()*1e3, binary.cpu.Seconds()*1e3)
	g.Measured, g.Limit, g.Ratio = rate(m.Throughput), rate(best)+" raw", m.Throughput/best
	b.Measured, b.Limit, b.Ratio = rate(binary.Throughput), g.Limit, binary.Throughput/best
	s.add(g)
	s.add(b)
	return nil
}

// processorTime is goal 6: what a request costs with a model that does next to nothing, against a loop around a socket.
func (s *suite) processorTime(ctx context.Context) error {
	shoal, err := limits.StartShoal(ctx, s.binary, "half_plus_two", filepath.Join(s.models, "test", "half_plus_two"))
	if err != nil {
		return err
	}
	defer shoal.Stop()
	w, err := newWork(shoal, "half_plus_two", 1, 16)
	if err != nil {
		return err
	}
	floor, err := startOther(ctx, roleFloor, w.answer)
	if err != nil {
		return err
	}
	defer floor.Stop()
	answer, err := w.grpcAnswer(ctx, shoal)
	if err != nil {
		return err
	}
	message, err := startOther(ctx, roleGRPC, answer)
	if err != nil {
		return err
	}
	defer message.Stop()
	var rest, grpc, bare, calls []float64
	for range rounds {
		for _, one := range []struct {
			into *[]float64
			run  func() (*measured, error)
		}{
			{&rest, func() (*measured, error) { return w.overREST(ctx, shoal, clients, s.length/2) }},
			{&grpc, func() (*measured, error) { return w.overGRPC(ctx, shoal, clients, s.length/2) }},
			{&bare, func() (*measured, error) { return w.overREST(ctx, floor, clients, s.length/2) }},
			{&calls, func() (*measured, error) { return w.overGRPC(ctx, message, clients, s.length/2) }},
		} {
			m, err := one.run()
			if err != nil {
				return err
			}
			*one.into = append(*one.into, float64(m.cpu.Nanoseconds())/1e3)
		}
	}
	s.say("a bare gRPC server takes %.1f µs of CPU a request, %.1f times the socket loop", median(calls), median(calls)/median(bare))
	limit := fmt.Sprintf("%.1f µs socket loop", median(bare))
	s.add(goal{Name: "6 CPU a request, REST", Measured: fmt.Sprintf("%.1f µs", median(rest)), Limit: limit, Ratio: median(rest) / median(bare), AtMost: 1.5})
	s.add(goal{Name: "6 CPU a request, gRPC", Measured: fmt.Sprintf("%.1f µs", median(grpc)), Limit: limit, Ratio: median(grpc) / median(bare), AtMost: 2.5})
	return nil
}
