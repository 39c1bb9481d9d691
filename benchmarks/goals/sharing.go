package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"shoal/benchmarks/limits"
	"shoal/loadtest/load"
)

// sharing is how models get on beside each other: a light one beside a heavy one that is saturated, and several busy ones by weight.
func (s *suite) sharing(ctx context.Context) error {
	heavy := filepath.Join(s.models, "bench", "mobilenet_v2")
	if _, err := os.Stat(heavy); err != nil {
		for _, g := range besideGoals(nil) {
			g.Skipped = "the benchmark models are not there (make bench makes them)"
			s.add(g)
		}
		return nil
	}
	if err := s.beside(ctx, heavy); err != nil {
		return err
	}
	for _, n := range []int{2, 5, 10} {
		if err := s.byWeight(ctx, heavy, n); err != nil {
			return err
		}
	}
	return nil
}

// pair is a light and a heavy model, each alone and both at once, in turns.
type pair struct {
	lightAlone, heavyAlone, light, heavy []float64 // requests/s
	p99Alone, p99                        []float64 // of the light one, in ms
}

func besideGoals(p *pair) []goal {
	goals := []goal{
		{Name: "13 light model beside a heavy one, p99", AtMost: 5},
		{Name: "13 the same against 10 ms", AtMost: 1},
		{Name: "13 its throughput", AtLeast: 0.4},
	}
	if p == nil {
		return goals
	}
	beside := fmt.Sprintf("%.2f ms", median(p.p99))
	goals[0].Measured, goals[0].Limit, goals[0].Ratio = beside, fmt.Sprintf("%.2f ms alone", median(p.p99Alone)), median(p.p99)/median(p.p99Alone)
	goals[1].Measured, goals[1].Limit, goals[1].Ratio = beside, "10 ms", median(p.p99)/10
	goals[2].Measured, goals[2].Limit = rate(median(p.light)), rate(median(p.lightAlone))+" alone"
	goals[2].Ratio = median(p.light) / median(p.lightAlone)
	return goals
}

// beside runs half_plus_two from 4 clients beside a model that 8 clients keep busy.
func (s *suite) beside(ctx context.Context, heavy string) error {
	shoal, err := several(ctx, s.binary, map[string]string{"half_plus_two": filepath.Join(s.models, "test", "half_plus_two"), "heavy": heavy})
	if err != nil {
		return err
	}
	defer shoal.Stop()
	light, err := newWork(shoal, "half_plus_two", 1, 16)
	if err != nil {
		return err
	}
	big, err := newWork(shoal, "heavy", 1, 4)
	if err != nil {
		return err
	}
	var p pair
	for range rounds {
		l, err := light.overREST(ctx, shoal, 4, s.length)
		if err != nil {
			return err
		}
		h, err := big.overREST(ctx, shoal, 8, s.length)
		if err != nil {
			return err
		}
		both, err := together(ctx, shoal, s.length, []closedLoop{{big, 8}, {light, 4}})
		if err != nil {
			return err
		}
		p.lightAlone, p.p99Alone = append(p.lightAlone, l.Throughput), append(p.p99Alone, l.Latency.P99)
		p.heavyAlone, p.heavy = append(p.heavyAlone, h.Throughput), append(p.heavy, both[0].Throughput)
		p.light, p.p99 = append(p.light, both[1].Throughput), append(p.p99, both[1].Latency.P99)
	}
	s.say("the heavy model keeps %.1f of %.1f requests/s", median(p.heavy), median(p.heavyAlone))
	for _, g := range besideGoals(&p) {
		s.add(g)
	}
	return nil
}

// backlogged is how many clients keep requests waiting while both instances run full batches: who has nothing waiting has no claim.
const backlogged = 16

// byWeight keeps n copies of a model busy, of the weights 1 to n: what all do together, against one alone, and how far the processor time
// of each is from its share.
func (s *suite) byWeight(ctx context.Context, heavy string, n int) error {
	models, weights, all := map[string]string{}, []string{}, 0
	for i := range n {
		name := fmt.Sprintf("m%d", i+1)
		models[name] = heavy
		weights = append(weights, fmt.Sprintf("%s:%d", name, i+1))
		all += i + 1
	}
	shoal, err := several(ctx, s.binary, models, "--model_weights="+strings.Join(weights, ","))
	if err != nil {
		return err
	}
	defer shoal.Stop()
	var busy []closedLoop
	for i := range n {
		w, err := newWork(shoal, fmt.Sprintf("m%d", i+1), 1, 2)
		if err != nil {
			return err
		}
		busy = append(busy, closedLoop{w, backlogged})
	}
	var ratio, off, alone, total []float64
	for range rounds {
		one, err := busy[0].work.overREST(ctx, shoal, 8, s.length)
		if err != nil {
			return err
		}
		before, err := processor(shoal)
		if err != nil {
			return err
		}
		length := s.length * time.Duration(n) // for enough runs of the model with the least weight
		both, err := together(ctx, shoal, length, busy)
		if err != nil {
			return err
		}
		after, err := processor(shoal)
		if err != nil {
			return err
		}
		sum, used, worst := 0.0, 0.0, 0.0
		for i, m := range both {
			sum += m.Throughput
			name := fmt.Sprintf("m%d", i+1)
			used += after[name] - before[name]
		}
		for i := range n {
			name := fmt.Sprintf("m%d", i+1)
			share := (after[name] - before[name]) / used / (float64(i+1) / float64(all))
			worst = max(worst, share-1, 1-share)
		}
		ratio, off = append(ratio, sum/one.Throughput), append(off, worst)
		alone, total = append(alone, one.Throughput), append(total, sum)
	}
	s.add(goal{Name: fmt.Sprintf("14 %d busy models, all together", n), Measured: rate(median(total)), Limit: rate(median(alone)) + " one alone", Ratio: median(ratio), AtLeast: 0.95})
	s.add(goal{Name: fmt.Sprintf("14 %d busy models, farthest from its share", n), Measured: fmt.Sprintf("%.1f%%", 100*median(off)), Limit: "10%", Ratio: median(off) / 0.1, AtMost: 1})
	return nil
}

// several is a server with several models.
func several(ctx context.Context, binary string, models map[string]string, more ...string) (*limits.Process, error) {
	dir, err := os.MkdirTemp("", "goals")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // the server reads the file once
	var b strings.Builder
	for name, path := range models {
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "config { name: %q base_path: %q model_platform: \"tensorflow\" }\n", name, path)
	}
	file := filepath.Join(dir, "models.config")
	if err := os.WriteFile(file, []byte("model_config_list {\n"+b.String()+"}\n"), 0o600); err != nil {
		return nil, err
	}
	return limits.StartShoal(ctx, binary, "unused", dir, append([]string{"--model_config_file=" + file}, more...)...)
}

// closedLoop is a work and the number of its clients.
type closedLoop struct {
	*work
	clients int
}

// together drives several works at once.
func together(ctx context.Context, p *limits.Process, d time.Duration, loops []closedLoop) ([]*load.Summary, error) {
	results, errs := make([]*load.Summary, len(loops)), make([]error, len(loops))
	var all sync.WaitGroup
	for i, l := range loops {
		all.Go(func() {
			m, err := l.overREST(ctx, p, l.clients, d)
			if errs[i] = err; err == nil {
				results[i] = m.Summary
			}
		})
	}
	all.Wait()
	return results, errors.Join(errs...)
}

// processor is the processor time that each model's runs have used, by the server's metrics.
func processor(p *limits.Process) (map[string]float64, error) {
	resp, err := http.Get("http://" + p.REST + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, err
	}
	used := make(map[string]float64)
	for _, m := range families["shoal_runs_processor_seconds_total"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "model" {
				used[l.GetValue()] += m.GetCounter().GetValue()
			}
		}
	}
	if len(used) == 0 {
		return nil, fmt.Errorf("the server has no metric shoal_runs_processor_seconds_total")
	}
	return used, nil
}
