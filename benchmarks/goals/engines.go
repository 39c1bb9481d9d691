package main

import (
	"context"
	"os"
	"path/filepath"

	"shoal/benchmarks/limits"
)

// engineLoads are the loads of goal 17, by which two engines are compared.
var engineLoads = []struct {
	name, model         string // the model's folder below the test models
	rows, bodies, conns int
	atLeast             float64
}{
	{"17 engines: MLP, one row, 64 connections", "test/mlp", 1, 128, clients, 1.2},
	{"17 engines: MLP, 64 rows, 8 connections", "test/mlp", 64, 16, 8, 1.2},
	{"17 engines: MobileNetV2, one image, 4 connections", "bench/mobilenet_v2", 1, 4, 4, 1.4},
}

// engines is goal 17: what --engine=auto gains over TensorFlow alone. Two servers get the same requests by turns. On a processor on
// which auto stays with TensorFlow the ratio is 1.
func (s *suite) engines(ctx context.Context) error {
	for _, l := range engineLoads {
		g := goal{Name: l.name, AtLeast: l.atLeast}
		dir := filepath.Join(s.models, l.model)
		if _, err := os.Stat(dir); err != nil {
			g.Skipped = "the benchmark models are not there (make bench makes them)"
			s.add(g)
			continue
		}
		var got [2][]float64
		err := s.twoEngines(ctx, dir, func(which int, p *limits.Process) error {
			w, err := newWork(p, filepath.Base(dir), l.rows, l.bodies)
			if err != nil {
				return err
			}
			m, err := w.overREST(ctx, p, l.conns, s.length)
			if err != nil {
				return err
			}
			got[which] = append(got[which], m.Throughput)
			return nil
		})
		if err != nil {
			return err
		}
		g.Measured, g.Limit = rate(median(got[1])), rate(median(got[0]))+" TensorFlow"
		g.Ratio = median(got[1]) / median(got[0])
		s.add(g)
	}
	return nil
}

// twoEngines starts a server with TensorFlow and one that may choose, and has them measured by turns.
func (s *suite) twoEngines(ctx context.Context, dir string, measure func(which int, p *limits.Process) error) error {
	var servers []*limits.Process
	for _, engine := range []string{"tensorflow", "auto"} {
		p, err := limits.StartShoal(ctx, s.binary, filepath.Base(dir), dir, "--engine="+engine)
		if err != nil {
			return err
		}
		defer p.Stop()
		servers = append(servers, p)
	}
	for range rounds {
		for which, p := range servers {
			if err := measure(which, p); err != nil {
				return err
			}
		}
	}
	return nil
}
