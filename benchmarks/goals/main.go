// Command goals measures how near Shoal comes to what the machine can do at all, and prints a table: each goal with what was
// measured, the limit it is held against, and whether it is met. Every ratio comes from one run on one machine.
//
//	go run ./benchmarks/goals --shoal=bin/shoal
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"shoal/loadtest/report"
)

func main() {
	if len(os.Args) == 3 && slices.Contains([]string{roleEcho, roleFloor, roleGRPC}, os.Args[1]) {
		answer, err := io.ReadAll(os.Stdin)
		if err == nil {
			err = serveOther(os.Args[1], os.Args[2], answer)
		}
		fail(err)
		return
	}
	s := &suite{say: func(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) }}
	flag.StringVar(&s.binary, "shoal", "bin/shoal", "the server's program")
	flag.StringVar(&s.models, "models", ".cache/models", "where the test models lie")
	flag.DurationVar(&s.length, "length", 3*time.Second, "of one run; there are about 40")
	only := flag.String("only", "", "comma-separated: json, inner, scheduling, wakeup, overload, cpu, endtoend, binary, images, raw, sharing, engines")
	out := flag.String("json", "", "write the goals to this file, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	m := report.ThisMachine()
	fmt.Printf("%s, %d cores, %s, %s, load average %s at the start\n", m.CPU, m.Cores, m.System, m.Go, m.Load)
	err := s.run(ctx, *only)
	fmt.Println()
	if _, e := writeTable(os.Stdout, s.goals); err == nil {
		err = e
	}
	if *out != "" {
		b, _ := json.MarshalIndent(map[string]any{"machine": m, "goals": s.goals}, "", " ")
		if e := os.WriteFile(*out, append(b, '\n'), 0o644); err == nil {
			err = e
		}
	}
	fail(err)
}

func (s *suite) run(ctx context.Context, only string) error {
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"json", s.json},
		{"inner", s.goBenchmarks},
		{"scheduling", s.scheduling},
		{"wakeup", s.wakeUp},
		{"overload", func() error { return s.overload(ctx) }},
		{"cpu", func() error { return s.processorTime(ctx) }},
		{"endtoend", func() error { return s.endToEnd(ctx) }},
		{"binary", func() error { return s.binaryTensors(ctx) }},
		{"images", func() error { return s.images(ctx) }},
		{"raw", func() error { return s.raw(ctx) }},
		{"sharing", func() error { return s.sharing(ctx) }},
		{"engines", func() error { return s.engines(ctx) }},
	} {
		if only != "" && !slices.Contains(strings.Split(only, ","), part.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, part.name)
		if err := part.run(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func (s *suite) add(g goal) { s.goals = append(s.goals, g) }

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

func rate(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM/s", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk/s", v/1e3)
	}
	return fmt.Sprintf("%.0f/s", v)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "goals:", err)
		os.Exit(1)
	}
}
