package serving

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"shoal/engine"
)

// SignatureBatching says whether requests of a signature share batches now.
type SignatureBatching struct {
	Signature string
	Batched   bool
	Unproven  bool   // its requests run alone until live ones have shown that its rows are independent
	Reason    string // for people
}

// SignatureEngine says which engine runs a signature of a model for which two were compared.
type SignatureEngine struct {
	Signature  string
	Engine     string  // "tensorflow", "openvino"
	Gain       float64 // how many times as fast the second engine is, whichever runs it; 0: not measured
	Difference float64 // the largest of the outputs, as a part of the largest value of a row
	Reason     string  // for people
	Runs       int64   // batches that the second engine was given
	Returned   int64   // of these, those that it handed back to the first one
}

// Attributes are what a line of the log says.
func (e *SignatureEngine) Attributes() []any {
	list := []any{slog.String("signature", e.Signature), slog.String("engine", e.Engine)}
	if e.Gain > 0 {
		list = append(list, slog.String("speed", fmt.Sprintf("x%.2f", e.Gain)), slog.String("difference", fmt.Sprintf("%.2g", e.Difference)))
	}
	return append(list, slog.String("reason", e.Reason))
}

// Report is what is known of a loaded version: for the log, the status page and metrics. Nobody may change it.
type Report struct {
	Signatures []string // served, by name
	Batching   []SignatureBatching
	Engines    []SignatureEngine // empty: the model's engine runs all

	MaxBatchSize      int           // rows run at once, at present; 1 where no signature is batched
	BatchSizeFrom     string        // what decided that: a flag, a file, "measured", "default" or "not batched"
	Measured          []Timing      // the runs that finding it began with, of ascending rows; nil: there were none
	AllowedBatchSizes []int         // batches are padded to these; empty: they are of any size
	BatchTimeout      time.Duration // how long a batch waits for more requests; 0: not at all
	Instances         int           // runs at once
	Devices           []string      // that the instances are on

	Phases []Phase       // of the load, in their order
	Load   time.Duration // all of it

	// Memory is by how much the process grew while the version was loaded, warm-up included: an estimate, since other things
	// happen meanwhile; 0 where it cannot be told. Shared says that another version was loaded at the same time.
	Memory int64
	Shared bool
	// Weights are the bytes of variables and large constants, known exactly; the engine's own copies come on top. 0: not known.
	Weights int64

	Graph    *engine.GraphReport // nil: the graph was loaded as it is
	FellBack string              // why the graph was loaded as it is though it should not have been; ""
}

// Timing is the shortest time seen for a batch of that many rows.
type Timing struct {
	Rows int64
	Took time.Duration
}

// Throughput is rows a second.
func (t Timing) Throughput() float64 { return float64(t.Rows) / t.Took.Seconds() }

// Phase is a part of a load.
type Phase struct {
	Name string
	Took time.Duration
}

// The phases of a load.
const (
	PhaseRewrite  = "rewrite"  // the graph is pruned and frozen
	PhaseSession  = "session"  // the engine reads the model
	PhaseWarmUp   = "warm_up"  // first runs, with made-up inputs; the batch size is measured
	PhaseRecorded = "recorded" // the model's recorded requests
)

// Brief is what a line of the log has room for.
func (r *Report) Brief() []any {
	attrs := []any{slog.Int("signatures", len(r.Signatures)), slog.String("batched", r.batched(true)), slog.String("unbatched", r.batched(false)),
		slog.Int("max_batch_size", r.MaxBatchSize),
		slog.String("batch_size_from", r.BatchSizeFrom), slog.Int("instances", r.Instances)}
	switch {
	case r.Memory > 0 && r.Shared:
		attrs = append(attrs, slog.String("memory", "at most "+bytesText(r.Memory)))
	case r.Memory > 0:
		attrs = append(attrs, slog.String("memory", bytesText(r.Memory)))
	}
	if r.Weights > 0 {
		attrs = append(attrs, slog.String("weights", bytesText(r.Weights)))
	}
	if r.FellBack != "" {
		attrs = append(attrs, slog.Bool("as_it_is", true))
	}
	if g := r.Graph; g != nil {
		attrs = append(attrs, slog.String("nodes", fmt.Sprintf("%d of %d", g.NodesAfter, g.NodesBefore)), slog.Int("frozen", g.Frozen))
	}
	return attrs
}

// batched names the signatures that are batched, or those that are not.
func (r *Report) batched(yes bool) string {
	var names []string
	for _, s := range r.Batching {
		if s.Batched == yes {
			names = append(names, s.Signature)
		}
	}
	return strings.Join(names, ",")
}

// Detail is the rest.
func (r *Report) Detail() []any {
	var phases, measured []string
	for _, p := range r.Phases {
		phases = append(phases, fmt.Sprintf("%s:%v", p.Name, p.Took.Round(time.Millisecond)))
	}
	for _, t := range r.Measured {
		measured = append(measured, fmt.Sprintf("%d:%.3gms", t.Rows, t.Took.Seconds()*1e3))
	}
	return []any{slog.String("phases", strings.Join(phases, " ")), slog.String("measured", strings.Join(measured, " ")), slog.Bool("memory_shared", r.Shared)}
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
	switch {
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}
