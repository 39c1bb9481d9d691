package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	goals := []goal{
		{Name: "fast", Measured: "90", Limit: "100", Ratio: 0.9, AtLeast: 0.85},
		{Name: "slow", Measured: "80", Limit: "100", Ratio: 0.8, AtLeast: 0.85},
		{Name: "lean", Measured: "14 µs", Limit: "10 µs", Ratio: 1.4, AtMost: 1.5},
		{Name: "fat", Measured: "16 µs", Limit: "10 µs", Ratio: 1.6, AtMost: 1.5},
		{Name: "unknown", AtLeast: 1, Skipped: "no compiler"},
	}
	var b strings.Builder
	missed, err := writeTable(&b, goals)
	if err != nil || missed != 2 {
		t.Fatalf("%d missed, %v", missed, err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 6 {
		t.Fatalf("%s", b.String())
	}
	for i, want := range []string{"target", "met", "MISSED", "met", "MISSED", "not measured: no compiler"} {
		if !strings.Contains(lines[i], want) || want == "met" && strings.Contains(lines[i], "MISSED") {
			t.Errorf("line %d: %q, want %q", i, lines[i], want)
		}
	}
}
