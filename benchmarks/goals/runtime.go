package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"shoal/benchmarks/limits"
)

// gcTime is the processor time that the server's Go has used, and the collector's part of it, as its metrics tell. Go counts the
// time in C as its own.
func gcTime(p *limits.Process) (used, collected float64, err error) {
	page, err := get(http.Get("http://" + p.REST + "/metrics"))
	if err != nil {
		return 0, 0, err
	}
	found := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(page)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(name, "go_cpu_classes_") {
			found[name] = v
		}
	}
	total, ok := found["go_cpu_classes_total_cpu_seconds_total"]
	if !ok {
		return 0, 0, errors.New("the server does not tell what its collector takes")
	}
	return total - found["go_cpu_classes_idle_cpu_seconds_total"], found["go_cpu_classes_gc_total_cpu_seconds_total"], nil
}

// collector is the part of goal 9 that shows end to end: how much of the processor time during run goes to collecting garbage.
func (s *suite) collector(p *limits.Process, run func() error) error {
	used, gc, err := gcTime(p)
	if err != nil {
		return err
	}
	if err := run(); err != nil {
		return err
	}
	used2, gc2, err := gcTime(p)
	if err != nil {
		return err
	}
	const most = 0.01
	share := (gc2 - gc) / max(used2-used, 1e-9)
	s.add(goal{Name: "9 garbage collection, of CPU", Measured: fmt.Sprintf("%.2f%%", 100*share), Limit: "1%", Ratio: share / most, AtMost: 1})
	return nil
}
