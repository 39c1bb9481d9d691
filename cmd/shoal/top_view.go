package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// topWidth is the narrowest terminal that everything fits.
const topWidth = 80

// topView writes a reading as lines of at most width columns: the whole, the models' versions, the devices.
func topView(target string, r *topReading, width int) []string {
	width = max(width, topWidth)
	t := cmp.Or(r.Tick, new(topTick))
	ready := "ready"
	if !r.State.Ready {
		ready = "NOT READY"
	}
	now := time.UnixMilli(t.At)
	lines := []string{
		fmt.Sprintf("shoal %s at %s   %s   up %v   %s", r.Hello.Version, target, ready,
			now.Sub(time.UnixMilli(r.Hello.Since)).Truncate(time.Second), now.Format(time.TimeOnly)),
		fmt.Sprintf("requests/s %-7s errors/s %-6s rejected/s %-6s p50 %-7s p99 %s",
			topNumber(t.Requests), topNumber(t.Errors), topNumber(t.Rejected), topDuration(t.P50), topDuration(t.P99)),
		fmt.Sprintf("batches/s  %-7s rows a batch %-6s waiting %-6d instances busy %d of %d",
			topNumber(t.Batches), topNumber(t.Rows), t.Queue, t.Busy, t.Instances),
		"",
	}
	for _, reason := range r.State.Reasons {
		if !r.State.Ready {
			lines = append(lines, "! "+reason)
		}
	}
	lines = append(lines, topModels(&r.State, t, width)...)
	for _, d := range r.State.Devices {
		line := fmt.Sprintf("%-8s %s", d.Name, strings.ReplaceAll(d.State, "_", " "))
		f := t.Devices[d.Name]
		if f.Use != nil {
			line += fmt.Sprintf("   %.0f %% busy", *f.Use*100)
		}
		if f.Memory != nil {
			line += fmt.Sprintf("   %.1f of %.1f GiB", *f.Memory/(1<<30), float64(d.Memory)/(1<<30))
		}
		if f.Power != nil {
			line += fmt.Sprintf("   %.0f W", *f.Power)
		}
		if f.Temperature != nil {
			line += fmt.Sprintf("   %.0f °C", *f.Temperature)
		}
		lines = append(lines, line)
	}
	for i := range lines {
		lines[i] = fit(lines[i], width)
	}
	return lines
}

// topModels is the table. Names have what the figures leave.
func topModels(s *topState, t *topTick, width int) []string {
	const figures = " %-9s %6s %5s %6s %6s %5s %5s %5s"
	version := len("VERSION")
	for _, m := range s.Models {
		for _, v := range m.Versions {
			version = max(version, len(strconv.FormatInt(v.Version, 10)))
		}
	}
	version = min(version, 12)
	name := width - version - len(fmt.Sprintf(figures, "", "", "", "", "", "", "", "")) - 1
	row := func(model, number string, rest ...any) string {
		return fmt.Sprintf("%s %s", pad(model, name), pad(number, version)) + fmt.Sprintf(figures, rest...)
	}
	lines := []string{row("MODEL", "VERSION", "STATE", "REQ/S", "ERR/S", "P50", "P99", "WAIT", "ROWS", "BUSY")}
	for _, m := range s.Models {
		if len(m.Versions) == 0 {
			lines = append(lines, row(m.Name, "-", "no version", "", "", "", "", "", "", ""))
		}
		for _, v := range m.Versions {
			f := t.Models[m.Name].Versions[strconv.FormatInt(v.Version, 10)]
			if len(m.Versions) == 1 { // requests whose version is not known are the only version's
				f = t.Models[m.Name].topFigures
			}
			state := strings.ToLower(v.State)
			if v.Failed {
				state = "failed"
			}
			shown := m.Name
			if len(v.Labels) > 0 {
				shown += " (" + strings.Join(v.Labels, ", ") + ")"
			}
			lines = append(lines, row(shown, strconv.FormatInt(v.Version, 10), state, topNumber(f.Requests), topNumber(f.Errors),
				topDuration(f.P50), topDuration(f.P99), strconv.Itoa(f.Queue), topNumber(f.Rows), strconv.Itoa(f.Busy)))
		}
	}
	return append(lines, "")
}

// topNumber writes a count or a rate in five columns: 0, 0.4, 12.3, 1234, 56.7k, 1.2M.
func topNumber(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 9.95:
		return fmt.Sprintf("%.1f", n)
	case n < 1e4:
		return fmt.Sprintf("%.0f", n)
	case n < 1e6:
		return fmt.Sprintf("%.1fk", n/1e3)
	}
	return fmt.Sprintf("%.1fM", n/1e6)
}

// topDuration writes milliseconds in six columns: 35µs, 1.23ms, 12.3ms, 123ms, 1.23s.
func topDuration(ms *float64) string {
	switch {
	case ms == nil:
		return "-"
	case *ms < 0.1:
		return fmt.Sprintf("%.0fµs", *ms*1e3)
	case *ms < 10:
		return fmt.Sprintf("%.2fms", *ms)
	case *ms < 100:
		return fmt.Sprintf("%.1fms", *ms)
	case *ms < 1e3:
		return fmt.Sprintf("%.0fms", *ms)
	}
	return fmt.Sprintf("%.4gs", *ms/1e3)
}

func pad(text string, width int) string {
	text = fit(text, width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

// fit shortens a text to so many columns. What a terminal would take for a command is not printed.
func fit(text string, width int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
	if len(runes) > width {
		runes = append(runes[:width-1], '…')
	}
	return string(runes)
}
