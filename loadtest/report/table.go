package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"shoal/loadtest/load"
	"shoal/loadtest/scenario"
)

// WriteTable prints the document for a terminal.
func (d *Document) WriteTable(w io.Writer) error {
	var b strings.Builder
	for _, t := range d.Targets {
		fmt.Fprintf(&b, "%s  %s  model %s", t.Address, t.API, t.Model)
		if t.Version != "" {
			fmt.Fprintf(&b, " version %s", t.Version)
		}
		fmt.Fprintf(&b, "  %d bodies of %s, %s instances each\n", t.Bodies, bytesText(t.BodyBytes), number(t.Instances))
	}
	fmt.Fprintf(&b, "%s, seed %d\n", d.Load, d.Seed)
	if d.Search != nil {
		searchTable(&b, d.Search)
	}
	if len(d.Curve) > 0 {
		curveTable(&b, d.Curve)
	}
	if d.Compare != nil {
		compareTable(&b, d.Compare)
	}
	for _, r := range d.Runs {
		runTable(&b, r, len(d.Runs) > 1)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func table(b *strings.Builder, rows ...string) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range rows {
		fmt.Fprintln(tw, r+"\t")
	}
	_ = tw.Flush()
}

func runTable(b *strings.Builder, r Run, named bool) {
	s := r.Summary
	b.WriteByte('\n')
	if named {
		fmt.Fprintf(b, "%s\n", r.Name)
	}
	fmt.Fprintf(b, "  %s requests/s", number(s.Throughput))
	if s.Instances > 0 && s.Instances != s.Throughput {
		fmt.Fprintf(b, ", %s instances/s", number(s.Instances))
	}
	if s.OfferedRate > 0 {
		fmt.Fprintf(b, " of %s offered", number(s.OfferedRate))
	}
	fmt.Fprintf(b, "; %d good in %.1f s", s.Good, s.Seconds)
	if bad := faults(s); bad != "" {
		fmt.Fprintf(b, "; NOT good: %s", bad)
	}
	b.WriteString("\n\n")
	rows := []string{"ms\tmean\tp50\tp90\tp99\tp99.9\tmax", line("latency", s.Latency)}
	if s.Server != nil {
		rows = append(rows, line("decode", s.Server.Decode), line("queue", s.Server.Queue), line("run", s.Server.Run), line("encode", s.Server.Encode))
	}
	if s.OfferedRate > 0 {
		rows = append(rows, line("generator late", s.Lateness), line("no free client", s.Waited))
	}
	table(b, rows...)
	if s.Server != nil {
		fmt.Fprintf(b, "  mean batch %.1f rows\n", s.Server.Batch)
	}
	if s.Void != "" {
		fmt.Fprintf(b, "\n  VOID: %s\n", s.Void)
	}
}

func line(name string, p load.Percentiles) string {
	return strings.Join([]string{name, ms(p.Mean), ms(p.P50), ms(p.P90), ms(p.P99), ms(p.P999), ms(p.Max)}, "\t")
}

// faults lists what was not good, "" where all was.
func faults(s *load.Summary) string {
	var parts []string
	add := func(n uint64, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	refused := "refused"
	if len(s.Codes) > 0 {
		var codes []string
		for code, n := range s.Codes {
			codes = append(codes, fmt.Sprintf("%s: %d", code, n))
		}
		slices.Sort(codes)
		refused += " (code " + strings.Join(codes, ", ") + ")"
	}
	add(s.Refused, refused)
	add(s.Wrong, "wrong")
	add(s.TimedOut, "timed out")
	add(s.Broken, "broken connections")
	add(s.Unsent, "never sent")
	return strings.Join(parts, ", ")
}

func searchTable(b *strings.Builder, s *scenario.Search) {
	rows := []string{"rate/s\tqueries\tmissed\tshare\tobjective"}
	for _, t := range s.Trials {
		verdict := "missed"
		if t.Met {
			verdict = "met"
		}
		if !t.Sure {
			verdict += "?"
		}
		if t.Void != "" {
			verdict = "void"
		}
		rows = append(rows, fmt.Sprintf("%s\t%d\t%d\t%.2f%%\t%s", number(t.Rate), t.Queries, t.Missed, 100*float64(t.Missed)/float64(max(t.Queries, 1)), verdict))
	}
	b.WriteByte('\n')
	table(b, rows...)
	if s.Rate > 0 {
		fmt.Fprintf(b, "  highest rate with %g%% within %g ms: %s/s\n", 100*s.Quantile, s.ObjectiveMS, number(s.Rate))
	} else {
		fmt.Fprintf(b, "  no rate had %g%% within %g ms\n", 100*s.Quantile, s.ObjectiveMS)
	}
}

func curveTable(b *strings.Builder, steps []scenario.Step) {
	rows := []string{"share\toffered/s\tgood/s\tp50\tp90\tp99\tp99.9\tmax ms\tmean batch\tnot good"}
	for _, s := range steps {
		l, batch, note := s.Summary.Latency, "", faults(s.Summary)
		if s.Summary.Server != nil {
			batch = fmt.Sprintf("%.1f", s.Summary.Server.Batch)
		}
		if s.Summary.Void != "" {
			note += " void"
		}
		rows = append(rows, fmt.Sprintf("%.0f%%\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", 100*s.Share, number(s.Rate), number(s.Summary.Throughput),
			ms(l.P50), ms(l.P90), ms(l.P99), ms(l.P999), ms(l.Max), batch, note))
	}
	b.WriteByte('\n')
	table(b, rows...)
}

func compareTable(b *strings.Builder, c *scenario.Comparison) {
	fmt.Fprintf(b, "\nA = %s\nB = %s\n%d rounds, in turns; ratios with 95%% intervals\n\n", c.A, c.B, len(c.Rounds))
	row := func(name string, a, of float64, i scenario.Interval) string {
		return fmt.Sprintf("%s\t%s\t%s\t%.3f\t%.3f to %.3f", name, number(a), number(of), i.Value, i.Low, i.High)
	}
	x, y := c.Averages[0], c.Averages[1]
	table(b, "\tA\tB\tA/B\t95%", row("requests/s", x.Throughput, y.Throughput, c.Throughput), row("mean ms", x.Mean, y.Mean, c.Mean),
		row("p50 ms", x.P50, y.P50, c.P50), row("p99 ms", x.P99, y.P99, c.P99))
	if x.Bad+y.Bad > 0 {
		fmt.Fprintf(b, "  not good: A %d, B %d\n", x.Bad, y.Bad)
	}
}

func ms(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// number prints three digits or more, with separators.
func number(v float64) string {
	if v < 100 {
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func bytesText(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 10_000:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	case n >= 1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}
