package bench

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"shoal/loadtest/load"
	"shoal/loadtest/scenario"
)

// Progress tells what happens: on a terminal on one line that is written over again, elsewhere by a line for each run of several.
type Progress struct {
	out   io.Writer // a terminal
	lines io.Writer // what is none
	name  string
	opt   load.Options
	begun time.Time
	told  time.Time
	good  uint64
	shown bool
}

// NewProgress writes to out, which may be a terminal.
func NewProgress(out io.Writer, terminal bool) *Progress {
	if terminal {
		return &Progress{out: out}
	}
	return &Progress{lines: out}
}

// Begin announces a run; the function returned ends it.
func (p *Progress) Begin(name string, o load.Options) (done func()) {
	p.name, p.opt, p.begun, p.told, p.good = name, o, time.Now(), time.Now(), 0
	if p.lines != nil && name != "" {
		fmt.Fprintf(p.lines, "running: %s, for %v\n", name, o.Duration.Round(100*time.Millisecond))
	}
	p.line("starting")
	return p.Clear
}

const tellEvery = 200 * time.Millisecond

// Update is called with each block of results.
func (p *Progress) Update(r *load.Recorder) {
	now := time.Now()
	since := now.Sub(p.told)
	if p.out == nil || since < tellEvery {
		return
	}
	passed := now.Sub(p.begun)
	rate := float64(r.Good()-p.good) / since.Seconds()
	p.told, p.good = now, r.Good()
	if passed < p.opt.Warmup {
		p.line("warming up")
		return
	}
	text := fmt.Sprintf("%s %.0f/s  p50 %.2f ms  p99 %.2f ms", bar(passed, p.opt.Duration), rate,
		r.Quantile(0.5).Seconds()*1e3, r.Quantile(0.99).Seconds()*1e3)
	if bad := r.Bad(); bad > 0 {
		text += fmt.Sprintf("  %d not good", bad)
	}
	p.line(text)
}

// Tried tells the outcome of one rate of a search, on a line that stays.
func (p *Progress) Tried(t *scenario.Trial) {
	verdict := "missed"
	if t.Met {
		verdict = "met"
	}
	p.Clear()
	fmt.Fprintf(cmp.Or(p.out, p.lines), "%8.0f/s  %5.2f%% of %d missed the objective: %s\n", t.Rate, 100*float64(t.Missed)/float64(max(t.Queries, 1)), t.Queries, verdict)
}

func (p *Progress) line(text string) {
	if p.out != nil {
		fmt.Fprintf(p.out, "\r\x1b[K%s  %s", p.name, text)
		p.shown = true
	}
}

// Clear takes the line away.
func (p *Progress) Clear() {
	if p.out != nil && p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}

func bar(passed, all time.Duration) string {
	const width = 20
	n := min(int(width*passed/max(all, 1)), width)
	return "[" + strings.Repeat("=", n) + strings.Repeat(" ", width-n) + "]"
}
