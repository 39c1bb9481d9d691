package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// tally counts what became of everything that was sent. Its methods are safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	checked map[string]int // answers that were right, by the kind of work
	refused map[string]int // by the code
	failed  int            // requests that had to fail, and did as they should
	wrong   int
	lost    int
	told    []string // what was wrong or lost, the first few of it
}

// maxTold bounds what is told of wrong and lost answers.
const maxTold = 20

func newTally() *tally { return &tally{checked: map[string]int{}, refused: map[string]int{}} }

func (t *tally) right(kind string) {
	t.mu.Lock()
	t.checked[kind]++
	t.mu.Unlock()
}

// refuse counts a request that the server was too busy for, or too late.
func (t *tally) refuse(code string) {
	t.mu.Lock()
	t.refused[code]++
	t.mu.Unlock()
}

// fail counts a request that had to be refused as wrong, and was.
func (t *tally) fail() {
	t.mu.Lock()
	t.failed++
	t.mu.Unlock()
}

func (t *tally) mistake(format string, args ...any) { t.tell(&t.wrong, "wrong: ", format, args) }

func (t *tally) lose(format string, args ...any) { t.tell(&t.lost, "lost: ", format, args) }

func (t *tally) tell(count *int, kind, format string, args []any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*count++
	if len(t.told) < maxTold {
		text := fmt.Sprintf(format, args...)
		if len(text) > 4000 {
			text = text[:4000] + "…"
		}
		t.told = append(t.told, time.Now().UTC().Format("15:04:05.000 ")+kind+text)
	}
}

// reading is what the server holds at a moment.
type reading struct {
	when       string
	rss        int64
	goroutines float64
}

// write prints the table, and says whether all is well.
func (t *tally) write(w io.Writer, took time.Duration, memory []reading) (well bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	total := 0
	for _, n := range t.checked {
		total += n
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(out, "%s\t%v\n", name, value) }
	for _, kind := range slices.Sorted(maps.Keys(t.checked)) {
		row("  "+kind, t.checked[kind])
	}
	row("answers checked", fmt.Sprintf("%d in %v", total, took.Round(time.Second)))
	row("refused as they should be", t.failed)
	for _, code := range slices.Sorted(maps.Keys(t.refused)) {
		row("too busy or too late: "+code, t.refused[code])
	}
	for _, r := range memory {
		row("memory and goroutines "+r.when, fmt.Sprintf("%.1f MiB, %.0f", float64(r.rss)/(1<<20), r.goroutines))
	}
	row("wrong", t.wrong)
	row("lost", t.lost)
	_ = out.Flush() // standard output
	for _, text := range t.told {
		fmt.Fprintln(w, text)
	}
	return t.wrong == 0 && t.lost == 0
}
