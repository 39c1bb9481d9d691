package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"shoal/benchmarks/limits"
)

// objective is what an open loop's requests have to be answered within, 99 times of 100.
const objective = "20ms"

// server is the first half of goal 3: the highest rate of an open loop that meets the objective, searched for by shoal bench,
// against the throughput of a closed loop with as many clients as it likes.
func (s *suite) server(ctx context.Context, shoal *limits.Process, one *work) error {
	g := goal{Name: "3 server (p99 " + objective + ") / offline, REST", AtLeast: 0.80}
	offline, err := one.overREST(ctx, shoal, 2*clients, s.length)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "goals")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "search.json")
	out, err := exec.CommandContext(ctx, s.binary, "bench", shoal.REST, "--model="+one.model, "--find-max", "--p99="+objective, "--json="+file).CombinedOutput()
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var found struct {
		Search struct {
			Rate float64 `json:"rate"`
		} `json:"search"`
	}
	raw, readErr := os.ReadFile(file)
	switch {
	case err != nil:
		g.Skipped = "shoal bench: " + lastLine(string(out)) // mostly that the machine is not steady enough
	case readErr != nil:
		return readErr
	default:
		if err := json.Unmarshal(raw, &found); err != nil {
			return fmt.Errorf("shoal bench's report: %w", err)
		}
		g.Measured, g.Limit = rate(found.Search.Rate), rate(offline.Throughput)+" closed loop"
		g.Ratio = found.Search.Rate / offline.Throughput
	}
	s.add(g)
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
