package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
	"time"

	"shoal/configs"
	"shoal/engine/openvino"
	"shoal/engine/tensorflow"
	"shoal/engine/tensorflow/rewrite"
	"shoal/serving"
	"shoal/serving/bundle"
)

// A way to load a model, as inspect --measure compares them: each in a process of its own, since what TensorFlow takes once for all
// models, and what it keeps, belongs to the process.
const (
	asItIs   = "as it is"
	asServed = "as served"
	asAuto   = "with --engine=auto"

	gainRounds = 2 // of both in turn, of which the best figures count: other things happen on a machine
)

// measureGain loads the version in dir as it is and as it is served, and prints what pruning and freezing gain: time to load,
// memory, and the time of batches, on one instance.
func measureGain(w io.Writer, dir string, tags []string) error {
	fmt.Fprint(w, "\nmeasured, one instance\n")
	var original, served *serving.Report
	for range gainRounds {
		for way, best := range map[string]**serving.Report{asItIs: &original, asServed: &served} {
			r, err := loadInChild(way, dir, tags)
			if err != nil {
				return err
			}
			*best = better(*best, r)
		}
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "  \t%s\t%s\tgain\t\n", asItIs, asServed)
	line := func(what string, format func(float64) string, a, b float64) {
		if a > 0 && b > 0 {
			fmt.Fprintf(tw, "  %s\t%s\t%s\t×%.2f\t\n", what, format(a), format(b), a/b)
		}
	}
	ms := func(x float64) string {
		if x >= 1 {
			return fmt.Sprintf("%.0f ms", x*1e3)
		}
		return fmt.Sprintf("%.3g ms", x*1e3)
	}
	line("load", ms, loadTime(original), loadTime(served))
	line("memory, warm", func(x float64) string { return fmt.Sprintf("%.0f MB", x/1e6) }, float64(original.Memory), float64(served.Memory))
	for i := range min(len(original.Measured), len(served.Measured)) {
		a, b := original.Measured[i], served.Measured[i]
		what := fmt.Sprintf("%d rows", a.Rows)
		if a.Rows == 1 {
			what = "1 row"
		}
		line(what, ms, a.Took.Seconds(), b.Took.Seconds())
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, s := range served.Batching {
		fmt.Fprintf(w, "  signature %s: %s\n", s.Signature, batchingText(s))
	}
	if err := printEngines(w, dir, tags); err != nil {
		return err
	}
	if len(served.Measured) == 0 {
		fmt.Fprintln(w, "  runs were not timed: no signature takes batches of made-up inputs")
	}
	return nil
}

// printEngines says what --engine=auto would choose.
func printEngines(w io.Writer, dir string, tags []string) error {
	r, err := loadInChild(asAuto, dir, tags)
	if err != nil {
		return err
	}
	for _, e := range r.Engines {
		fmt.Fprintf(w, "  signature %s with --engine=auto: %s", e.Signature, e.Engine)
		if e.Gain > 0 {
			fmt.Fprintf(w, ", OpenVINO is ×%.2f as fast, outputs differ by %.1g", e.Gain, e.Difference)
		}
		fmt.Fprintf(w, ": %s\n", e.Reason)
	}
	return nil
}

func batchingText(s serving.SignatureBatching) string {
	switch {
	case s.Batched:
		return "batched: " + s.Reason
	case s.Unproven:
		return "runs alone until live requests show more: " + s.Reason
	}
	return "runs alone: " + s.Reason
}

// better takes the best figures of two loads of one kind; a may be nil. Sizes that only one of them came to are left out.
func better(a, b *serving.Report) *serving.Report {
	if a == nil {
		return b
	}
	if loadTime(a) < loadTime(b) {
		b.Phases = a.Phases
	}
	b.Memory = min(a.Memory, b.Memory)
	b.Measured = b.Measured[:min(len(a.Measured), len(b.Measured))]
	for i := range b.Measured {
		b.Measured[i].Took = min(a.Measured[i].Took, b.Measured[i].Took)
	}
	return b
}

// loadTime is the load without the warm-up, in seconds.
func loadTime(r *serving.Report) float64 {
	var sum time.Duration
	for _, p := range r.Phases {
		if p.Name == serving.PhaseRewrite || p.Name == serving.PhaseSession {
			sum += p.Took
		}
	}
	return sum.Seconds()
}

func loadInChild(way, dir string, tags []string) (*serving.Report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var faults bytes.Buffer
	cmd := exec.Command(self, "inspect", "--report="+way, "--saved_model_tags="+strings.Join(tags, ","), dir)
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("loading the model %s: %v\n%s", way, err, &faults)
	}
	r := new(serving.Report)
	return r, json.Unmarshal(out, r)
}

// printReport is the child's part: it loads the version as the server does, and prints the report.
func printReport(w io.Writer, way, dir string, tags []string) error {
	spareP()
	o := bundle.Options{
		Engine:    &tensorflow.Engine{Tags: tags, Freeze: rewrite.Auto, NoPrune: way == asItIs},
		Instances: 1, Batch: bundle.BatchProven, SyntheticWarmup: true, Measure: true, Logger: slog.New(slog.DiscardHandler),
	}
	if way == asAuto {
		o.Second, o.EngineMode, o.EngineMinGain = openvino.Second{}, func(string) bundle.EngineMode { return bundle.FasterEngine }, configs.Default().Engines.MinGain
		o.Measure = false
	}
	s, err := bundle.NewLoader(o)(serving.ModelConfig{Name: "inspected"}, 1, dir).Load(context.Background())
	if err != nil {
		return plain(err)
	}
	defer s.Close()
	return json.NewEncoder(w).Encode(serving.ReportOf(s))
}
