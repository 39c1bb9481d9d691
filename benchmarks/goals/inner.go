package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"shoal/benchmarks/limits"
)

// json measures goal 8 in this process; each figure is the best of many passes, on either side.
func (s *suite) json() error {
	sample := limits.NewSample()
	from, to, err := sample.Chars(filepath.Join("benchmarks", "limits", "testdata", "chars.cc"))
	if err != nil && !errors.Is(err, limits.ErrNoCompiler) {
		return err
	}
	decode, encode := map[string]float64{}, map[string]float64{}
	for name, f := range sample.Decoders() {
		if decode[name], err = s.best(f); err != nil {
			return err
		}
	}
	for name, f := range sample.Encoders() {
		if encode[name], err = s.best(f); err != nil {
			return err
		}
	}
	ns := func(v float64) string { return fmt.Sprintf("%.1f ns a value", v) }
	// A ratio is of speeds: the other's time over ours.
	add := func(name string, ours, other float64, what string, atLeast float64) {
		g := goal{Name: name, Measured: ns(ours), Limit: ns(other) + " " + what, Ratio: other / ours, AtLeast: atLeast}
		if other == 0 {
			g.Skipped = limits.ErrNoCompiler.Error()
		}
		s.add(g)
	}
	add("8 JSON to float32, C++", decode["shoal"], from, "from_chars", 1)
	add("8 JSON to float32, encoding/json", decode["shoal"], decode["encoding/json"], "encoding/json", 10)
	add("8 float32 to JSON, C++", encode["shoal"], to, "to_chars", 0.8)
	s.say("sonic: %.1f ns a value read, %.1f written", decode["sonic"], encode["sonic"])
	return nil
}

// best is the least time of a pass, in nanoseconds a value.
func (s *suite) best(f func() error) (float64, error) {
	least := math.Inf(1)
	for start := time.Now(); time.Since(start) < s.length/4; {
		t := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		least = min(least, float64(time.Since(t).Nanoseconds()))
	}
	return least / (limits.Rows * limits.Columns), nil
}

// goBenchmarks takes goals 9 and 10 from the rooms' own benchmarks.
func (s *suite) goBenchmarks() error {
	out, err := s.bench("./tensor", "^Benchmark(Gather|Memcpy)$")
	if err != nil {
		return err
	}
	gather, copied := nsPerOp(out, "Gather"), nsPerOp(out, "Memcpy")
	if gather == 0 || copied == 0 {
		return errors.New("the benchmarks Gather and Memcpy of tensor gave nothing")
	}
	s.add(goal{Name: "9 gather", Measured: fmt.Sprintf("%.0f ns", gather), Limit: fmt.Sprintf("%.0f ns memcpy", copied), Ratio: copied / gather, AtLeast: 0.5})
	if out, err = s.bench("./batcher", "^BenchmarkDecision$/^queues=1$"); err != nil {
		return err
	}
	decision := nsPerOp(out, "Decision")
	if decision == 0 {
		return errors.New("the benchmark Decision of batcher gave nothing")
	}
	const wanted = 500_000.0
	s.add(goal{Name: "10 scheduler decisions", Measured: rate(1e9 / decision), Limit: rate(wanted), Ratio: 1e9 / decision / wanted, AtLeast: 1})
	return nil
}

// wakeUp is the second half of goal 10: one run at a time, as there is a core less to compute with for each that decodes, and as
// many decoders as the server lets in at once, with GOMAXPROCS as the server has it.
func (s *suite) wakeUp() error {
	cores := runtime.NumCPU()
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // the server's ballast makes collections as rare
	var failed atomic.Pointer[error]
	work := func() func() {
		decode := limits.NewSample().Decoders()["shoal"]
		return func() {
			if err := decode(); err != nil {
				failed.Store(&err)
			}
		}
	}
	p99 := func(processors int) time.Duration {
		w := limits.Waits(s.length, time.Millisecond, max(1, cores/2), cores, processors, work)
		return w[len(w)*99/100]
	}
	with, without := p99(cores+1), p99(cores)
	if err := failed.Load(); err != nil {
		return *err
	}
	const most = 250 * time.Microsecond
	s.say("with GOMAXPROCS = cores the wake-up after C takes %v at p99", without)
	s.add(goal{Name: "10 wake-up after C, p99", Measured: with.Round(time.Microsecond).String(), Limit: most.String(), Ratio: float64(with) / float64(most), AtMost: 1})
	return nil
}

func (s *suite) bench(pkg, pattern string) ([]byte, error) {
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", pattern, "-count", "3", "-benchtime", (s.length / 4).String(), pkg).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test %s: %w\n%s", pkg, err, bytes.TrimSpace(out))
	}
	return out, nil
}

// nsPerOp is the least time of the benchmark's lines; 0 where it has none.
func nsPerOp(out []byte, name string) float64 {
	least := 0.0
	for _, m := range regexp.MustCompile(`(?m)^Benchmark`+name+`\S*\s+\d+\s+([0-9.]+) ns/op`).FindAllSubmatch(out, -1) {
		if v, err := strconv.ParseFloat(string(m[1]), 64); err == nil && (least == 0 || v < least) {
			least = v
		}
	}
	return least
}
