package bundle

import (
	"bufio"
	"cmp"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/status"

	"shoal/batcher"
	"shoal/engine"
	"shoal/internal/memory"
	"shoal/serving"
)

// Report says what the load made of the version, and how it is batched now. It implements serving.Reporter.
func (b *Bundle) Report() *serving.Report {
	r := b.report
	for _, p := range b.proofs {
		s := p.state()
		if s.Batched && b.batcher.IsUnbatched(p.sig) {
			s.Batched, s.Reason = false, "its outputs do not follow the batch dimension"
		}
		r.Batching = append(r.Batching, s)
	}
	slices.SortFunc(r.Batching, func(x, y serving.SignatureBatching) int { return cmp.Compare(x.Signature, y.Signature) })
	for _, c := range b.engines {
		e := c.SignatureEngine
		e.Runs, e.Returned = c.use.Runs()
		r.Engines = append(r.Engines, e)
	}
	if r.BatchSizeFrom != notBatched {
		r.MaxBatchSize = b.batcher.Stats().Largest
	}
	return &r
}

// What decided the largest batch, beside the flags and files.
const (
	fromMeasurement = "measured"
	fromDefault     = "default"
	notBatched      = "not batched"
)

// reportModel takes down what is known once the model is loaded.
func (l *loader) reportModel(r *serving.Report, m engine.Model, took time.Duration) {
	r.Signatures = slices.Sorted(maps.Keys(m.Describe().Signatures))
	e := engine.ReportOf(m)
	if fellBack := cmp.Or(e.FellBack, l.asItIs); fellBack != nil {
		r.FellBack = status.Convert(fellBack).Message()
	}
	r.Weights, r.Graph = e.Weights, e.Graph
	if e.Graph != nil {
		r.Phases = append(r.Phases, serving.Phase{Name: serving.PhaseRewrite, Took: e.Rewrite})
	}
	r.Phases = append(r.Phases, serving.Phase{Name: serving.PhaseSession, Took: took - e.Rewrite})
}

// reportBatching takes down how the version is batched. c has its defaults; from is "" where neither a flag nor a file decided.
func (b *Bundle) reportBatching(c *batcher.Config, from string) {
	r := &b.report
	if from == "" {
		from = fromDefault
		if c.FindBatchSize {
			from = fromMeasurement
		}
	}
	r.MaxBatchSize, r.BatchSizeFrom, r.AllowedBatchSizes, r.BatchTimeout = 1, notBatched, nil, 0
	for _, p := range b.proofs {
		if s := p.state(); s.Batched || s.Unproven {
			r.BatchSizeFrom, r.AllowedBatchSizes, r.BatchTimeout = from, c.AllowedBatchSizes, c.BatchTimeout
		}
	}
	r.Instances = len(b.instances)
}

// phase takes down what a phase took that began at start, and returns the beginning of the next.
func (b *Bundle) phase(name string, start time.Time) time.Time {
	now := time.Now()
	b.report.Phases = append(b.report.Phases, serving.Phase{Name: name, Took: now.Sub(start)})
	return now
}

// meter reads by how much the process grows while a version is loaded.
type meter struct {
	before int64
	loads  int64 // begun before, this one included
	alone  bool
}

// Loads of this process: how many were begun, and how many are under way.
var loadsBegun, loadsRunning atomic.Int64

// startMeter gives free memory back first, so that what was free already is not taken for used.
func startMeter() *meter {
	m := &meter{alone: loadsRunning.Add(1) == 1, loads: loadsBegun.Add(1)}
	memory.Release()
	m.before = residentMemory()
	return m
}

// read says how much more memory is used now, after what the load needed is given back, and whether others loaded meanwhile.
func (m *meter) read() (grown int64, shared bool) {
	memory.Release()
	if now := residentMemory(); m.before > 0 && now > m.before {
		grown = now - m.before
	}
	return grown, !m.alone || loadsBegun.Load() != m.loads
}

func (m *meter) stop() { loadsRunning.Add(-1) }

// residentMemory is what this process holds of memory that is no file's; 0 where it is not told.
func residentMemory() int64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
