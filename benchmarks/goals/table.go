package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// goal is one line of the summary: what was measured, what it is held against, and the ratio that it must reach or stay under.
type goal struct {
	Name     string  `json:"name"`
	Measured string  `json:"measured"`
	Limit    string  `json:"limit"`
	Ratio    float64 `json:"ratio"`
	AtLeast  float64 `json:"at_least,omitempty"`
	AtMost   float64 `json:"at_most,omitempty"`
	Skipped  string  `json:"skipped,omitempty"` // why it was not measured
}

// met is nil where the goal was not measured.
func (g *goal) met() *bool {
	if g.Skipped != "" {
		return nil
	}
	ok := g.AtLeast > 0 && g.Ratio >= g.AtLeast || g.AtMost > 0 && g.Ratio <= g.AtMost
	return &ok
}

func (g *goal) target() string {
	if g.AtMost > 0 {
		return fmt.Sprintf("≤ %.3g", g.AtMost)
	}
	return fmt.Sprintf("≥ %.3g", g.AtLeast)
}

// writeTable prints the goals, and returns how many were missed.
func writeTable(w io.Writer, goals []goal) (missed int, err error) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "goal\tmeasured\tlimit\tratio\ttarget\t")
	for _, g := range goals {
		switch met := g.met(); {
		case met == nil:
			fmt.Fprintf(tw, "%s\tnot measured: %s\t\t\t%s\t\n", g.Name, g.Skipped, g.target())
		case *met:
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.3f\t%s\tmet\n", g.Name, g.Measured, g.Limit, g.Ratio, g.target())
		default:
			missed++
			fmt.Fprintf(tw, "%s\t%s\t%s\t%.3f\t%s\tMISSED\n", g.Name, g.Measured, g.Limit, g.Ratio, g.target())
		}
	}
	_ = tw.Flush()
	_, err = io.WriteString(w, b.String())
	return missed, err
}
