package rewrite

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Result is a rewritten graph's report, and the values that it still needs.
type Result struct {
	*Report
	Constants []Constant
}

// Report says what was done, and why the rest was not.
type Report struct {
	Nodes, Functions Change // nodes count those in functions
	Variables        []Variable
	Frozen           int   // variables that became constants
	FrozenBytes      int64 // their values
	Kept             int   // variables that stay
	KeptBytes        int64
	Dropped          int // variables that nothing uses
	DroppedBytes     int64
	ConstantBytes    int64         // of all constants of the rewritten graph, the frozen variables among them
	Folded           int           // batch norms that became part of a convolution
	Pinned           int           // nodes placed on the device
	NotFrozen        string        // why nothing was frozen though it could be
	Notes            []string      // what else was left as it is, and why
	NoCheckpoint     bool          // variables/ is no longer needed
	Took             time.Duration // to read, rewrite and write the graph, before TensorFlow loads it
}

// Change is a number before and after.
type Change struct{ Before, After int }

// Variable is one variable's fate.
type Variable struct {
	Name  string
	Bytes int64 // -1: not known
	Fate  Fate
	Why   string // where it is kept
}

// Fate is what became of a variable.
type Fate string

// The fates of a variable.
const (
	Frozen  Fate = "frozen"
	Kept    Fate = "kept"
	Dropped Fate = "dropped"
)

// Changed reports whether the rewritten graph is another one at all.
func (r *Report) Changed() bool {
	return r.Nodes.Before != r.Nodes.After || r.Functions.Before != r.Functions.After || r.Frozen+r.Dropped+r.Folded+r.Pinned > 0 || r.NoCheckpoint
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// reportVariables counts the variables by what became of them.
func (r *rewriter) reportVariables() {
	rep := &r.report
	for _, v := range r.variables {
		e := Variable{Name: v.name(), Bytes: v.bytes, Fate: Dropped}
		count, bytes := &rep.Dropped, &rep.DroppedBytes
		switch {
		case v.value != nil:
			e.Fate, count, bytes = Frozen, &rep.Frozen, &rep.FrozenBytes
		case v.stays:
			e.Fate, e.Why, count, bytes = Kept, v.reason, &rep.Kept, &rep.KeptBytes
			if !v.used {
				e.Why = "only the restore uses it"
			}
		}
		*count++
		*bytes += max(v.bytes, 0)
		rep.Variables = append(rep.Variables, e)
	}
	slices.SortFunc(rep.Variables, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
}

// constantBytes adds up the values of the graph's constants.
func (r *rewriter) constantBytes() (total int64) {
	add := func(nodes []*node) {
		for _, n := range nodes {
			if t := n.Attr["value"].GetTensor(); n.Op == "Const" && t != nil {
				elements := int64(1)
				for _, d := range t.TensorShape.GetDim() {
					elements *= max(d.Size, 0)
				}
				total += elements * elementSize(t.Dtype)
			}
		}
	}
	add(r.mg.GraphDef.Node)
	for _, f := range r.mg.GraphDef.Library.Function {
		add(f.NodeDef)
	}
	return total
}

// LogValue is the report in one log record.
func (r *Report) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Group("nodes", slog.Int("before", r.Nodes.Before), slog.Int("after", r.Nodes.After)),
		slog.Group("functions", slog.Int("before", r.Functions.Before), slog.Int("after", r.Functions.After)),
		slog.Group("variables", slog.Int("frozen", r.Frozen), slog.Int("kept", r.Kept), slog.Int("dropped", r.Dropped)),
		slog.Group("bytes", slog.Int64("frozen", r.FrozenBytes), slog.Int64("kept", r.KeptBytes), slog.Int64("dropped", r.DroppedBytes)),
		slog.Duration("took", r.Took),
	}
	if r.Folded > 0 {
		attrs = append(attrs, slog.Int("batch_norms_folded", r.Folded))
	}
	if r.NotFrozen != "" {
		attrs = append(attrs, slog.String("not_frozen", r.NotFrozen))
	}
	if len(r.Notes) > 0 {
		attrs = append(attrs, slog.Any("notes", r.Notes))
	}
	return slog.GroupValue(attrs...)
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "nodes      %d, of %d\n", r.Nodes.After, r.Nodes.Before)
	fmt.Fprintf(w, "functions  %d, of %d\n", r.Functions.After, r.Functions.Before)
	fmt.Fprintf(w, "variables  %d frozen (%s), %d kept (%s), %d dropped (%s)\n",
		r.Frozen, megabytes(r.FrozenBytes), r.Kept, megabytes(r.KeptBytes), r.Dropped, megabytes(r.DroppedBytes))
	if r.Folded > 0 {
		fmt.Fprintf(w, "folded     %d batch norms into convolutions\n", r.Folded)
	}
	if r.Pinned > 0 {
		fmt.Fprintf(w, "pinned     %d nodes\n", r.Pinned)
	}
	if r.NotFrozen != "" {
		fmt.Fprintf(w, "not frozen: %s\n", r.NotFrozen)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
	for _, v := range r.Variables {
		if v.Fate == Kept && v.Why != r.NotFrozen {
			fmt.Fprintf(w, "kept %s: %s\n", v.Name, v.Why)
		}
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
