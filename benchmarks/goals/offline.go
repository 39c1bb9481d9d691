package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"shoal/benchmarks/limits"
	"shoal/loadtest/tune"
)

// offline is the second half of goal 3: gRPC with 32 instances a request against the session loop at its best batch. The
// clients share the machine with the server, the loop has it for itself; so the processor time that a row costs is
// compared too, with what a bare gRPC server takes for the same messages.
func (s *suite) offline(ctx context.Context, shoal *limits.Process, loop *tune.Loop) error {
	const rows, streams = 32, 32
	many, err := newWork(shoal, "mlp", rows, 32)
	if err != nil {
		return err
	}
	answer, err := many.grpcAnswer(ctx, shoal)
	if err != nil {
		return err
	}
	bare, err := startOther(ctx, roleGRPC, answer)
	if err != nil {
		return err
	}
	defer bare.Stop()
	var got, best, ratio, cost, least, cheap, client, message []float64
	size := 0
	for range rounds {
		m, err := many.overGRPC(ctx, shoal, streams, s.length)
		if err != nil {
			return fmt.Errorf("shoal: %w", err)
		}
		r, c, n, err := bestLoop(loop, s.length/8)
		if err != nil {
			return err
		}
		e, err := many.overGRPC(ctx, bare, streams, s.length/2)
		if err != nil {
			return fmt.Errorf("bare gRPC: %w", err)
		}
		row := micros(m.cpu) / rows
		got, best, ratio, size = append(got, m.Instances), append(best, r), append(ratio, m.Instances/r), n
		cost, least, cheap = append(cost, row), append(least, c), append(cheap, c/row)
		client, message = append(client, micros(m.client)), append(message, micros(e.cpu))
	}
	ofServer := median(cost) * rows
	s.say("gRPC, %d rows a request: the server took %.0f µs of processor time a request and the clients %.0f, so it had %.0f%% of what was used; a bare gRPC server takes %.0f µs",
		rows, ofServer, median(client), 100*ofServer/(ofServer+median(client)), median(message))
	s.add(goal{Name: "3 offline, gRPC, 32 instances", Measured: rate(median(got)) + " rows", Limit: fmt.Sprintf("%s raw, batch %d", rate(median(best)), size), Ratio: median(ratio), AtLeast: 0.95})
	s.add(goal{Name: "3 offline, processor time a row", Measured: fmt.Sprintf("%.1f µs", median(cost)), Limit: fmt.Sprintf("%.1f µs raw", median(least)), Ratio: median(cheap), AtLeast: 0.95})
	return nil
}

// bestLoop is the session loop at its best batch: rows a second, the processor time of a row in microseconds, and the batch.
func bestLoop(loop *tune.Loop, d time.Duration) (best, cost float64, size int, err error) {
	for _, rows := range []int{32, 64, 128, 256, 512, 1024} {
		before := ownCPU()
		m, err := loop.Measure(rows, runtime.NumCPU(), d)
		if err != nil {
			return 0, 0, 0, err
		}
		if m.Throughput > best { // each instance's first run is in the time, though not in Runs
			best, cost, size = m.Throughput, micros(ownCPU()-before)/float64((m.Runs+runtime.NumCPU())*rows), rows
		}
	}
	return best, cost, size, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
