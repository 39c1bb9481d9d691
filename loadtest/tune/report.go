package tune

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"shoal/batcher"
)

// WriteTable prints what was measured and what is recommended.
func (r *Result) WriteTable(w io.Writer) error {
	var text strings.Builder
	tw := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "batch\tinstances\tthreads\tinstances/s\trun p50\trun p99\trequest p99\t\t")
	for i := range r.Cells {
		c, mark := &r.Cells[i], ""
		if c == r.Best {
			mark = " <- recommended"
		}
		fmt.Fprintf(tw, "%d\t%d\t%d\t%.0f\t%s\t%s\t%s\t%s\t\n", c.Batch, c.Instances, c.Threads, c.Throughput, ms(c.P50), ms(c.P99), ms(c.Request), mark)
	}
	_ = tw.Flush()
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	if r.Cut {
		fmt.Fprintln(w, "\nThe time was over before all settings were tried: --time allows more.")
	}
	if r.Best == nil {
		_, err := fmt.Fprintf(w, "\nNo setting answers within %v when all instances are busy.\n", r.P99)
		return err
	}
	_, err := fmt.Fprintf(w, "\nRequest p99 is estimated for full batches: a request that just missed one waits for the next.\n\nrecommended: shoal serve %s\n", strings.Join(r.Flags(), " "))
	return err
}

func ms(d time.Duration) string { return fmt.Sprintf("%.3g ms", d.Seconds()*1e3) }

// Flags are those of `shoal serve` for the recommendation.
func (r *Result) Flags() []string {
	f := []string{fmt.Sprintf("--max_batch_size=%d", r.Best.Batch)}
	return append(f, r.otherFlags(true)...)
}

// otherFlags are those that a file of batching parameters cannot say.
func (r *Result) otherFlags(instances bool) (f []string) {
	if instances {
		f = append(f, fmt.Sprintf("--instances=%d", r.Best.Instances))
	}
	f = append(f, fmt.Sprintf("--tensorflow_intra_op_parallelism=%d", r.Best.Threads))
	if r.P99 > 0 {
		f = append(f, fmt.Sprintf("--latency_objective=%v", r.P99))
	}
	return f
}

// WriteFile writes the recommendation for --batching_parameters_file, with a head that says where it is from.
func (r *Result) WriteFile(path, head string) error {
	if r.Best == nil {
		return fmt.Errorf("%s is not written: no setting meets the objective", path)
	}
	var b strings.Builder
	for line := range strings.Lines(head) {
		b.WriteString("# " + line)
	}
	fmt.Fprintf(&b, "\n# Measured: %.0f instances/s, a batch's p99 %s. To go with: %s\n", r.Best.Throughput, ms(r.Best.P99), strings.Join(r.otherFlags(false), " "))
	for _, f := range []struct {
		name  string
		value int
	}{
		// Requests larger than a batch are divided, as they are without a file; so many instances of data may wait.
		{"max_batch_size", batcher.DefaultMaxQueuedRows},
		{"max_execution_batch_size", r.Best.Batch},
		{"max_enqueued_batches", max(1, batcher.DefaultMaxQueuedRows/r.Best.Batch)},
		{"num_batch_threads", r.Best.Instances},
		{"batch_timeout_micros", 0},
	} {
		fmt.Fprintf(&b, "%s { value: %d }\n", f.name, f.value)
	}
	b.WriteString("enable_large_batch_splitting { value: true }\n")
	return os.WriteFile(path, []byte(b.String()), 0o644) //nolint:gosec // a configuration file, not a secret
}
