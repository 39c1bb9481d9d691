package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"shoal/benchmarks/scheduling"
)

// scheduling measures goals 1, 2, 4 and 5 with made-up devices in fake time: the batcher is the real one, and so many devices no
// test machine has.
func (s *suite) scheduling() error {
	dir, err := os.MkdirTemp("", "shoal-goals-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "profiles.json")
	out, err := exec.Command("go", "test", "-count=1", "-run", "^TestProfiles$", "./benchmarks/scheduling", "-args", "-profiles="+file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test ./benchmarks/scheduling: %w\n%s", err, bytes.TrimSpace(out))
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var all []scheduling.Measured
	if err := json.Unmarshal(content, &all); err != nil {
		return err
	}
	s.goodput(all)
	return nil
}

// goodput makes the goals of the profiles; each counts by the worst of them.
func (s *suite) goodput(all []scheduling.Measured) {
	for _, group := range []struct {
		name    string
		tight   bool
		devices func(int) bool
		atLeast float64
	}{
		{"loose objective", false, func(int) bool { return true }, 0.85},
		{"tight, one device", true, func(n int) bool { return n == 1 }, 0.75},
		{"tight, 2 and 8 devices", true, func(n int) bool { return n > 1 }, 0.82},
	} {
		worst, idle := math.Inf(1), math.Inf(1)
		for _, m := range all {
			if m.Tight == group.tight && group.devices(m.Profile.Devices) {
				worst, idle = min(worst, m.Objective), min(idle, m.Idle)
			}
		}
		s.add(goal{Name: "1 goodput, " + group.name, Measured: fmt.Sprintf("%.2f of capacity", worst),
			Limit: fmt.Sprintf("%.2f without objective", idle), Ratio: worst, AtLeast: group.atLeast})
	}
	worst, product, n := math.Inf(1), 0.0, 0
	early, peak := math.Inf(1), math.Inf(1)
	for _, m := range all {
		worst = min(worst, m.Objective/m.Timeout)
		if m.Tight && m.Profile.Devices > 1 {
			product, n = product+math.Log(m.Objective/m.Timeout), n+1
		}
		early, peak = min(early, m.At70), min(peak, m.Overload/m.Objective)
	}
	s.add(goal{Name: "2 against fixed timeouts, worst profile", Measured: fmt.Sprintf("%.2f×", worst), Limit: "the best of 3 timeouts", Ratio: worst, AtLeast: 0.99})
	mean := math.Exp(product / float64(max(n, 1)))
	s.add(goal{Name: "2 the same, tight, 2 and 8 devices, mean", Measured: fmt.Sprintf("%.2f×", mean), Limit: "the best of 3 timeouts", Ratio: mean, AtLeast: 1.25})
	s.add(goal{Name: "4 in time at 0.7 of capacity", Measured: fmt.Sprintf("%.2f%%", 100*early), Limit: "all", Ratio: early, AtLeast: 0.999})
	s.add(goal{Name: "5 goodput at 3 times the capacity", Measured: fmt.Sprintf("%.2f of the peak", peak), Limit: "the rate sustained", Ratio: peak, AtLeast: 0.9})
}
