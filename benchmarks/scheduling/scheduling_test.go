package scheduling

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"shoal/batcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	profiles = flag.String("profiles", "", "measure all profiles and write what came out to this file, as JSON")
	requests = flag.Int("requests", 8000, "of a probe")
	noise    = flag.Float64("noise", 0, "of the devices")
)

// outcome drives one load in fake time.
func outcome(t *testing.T, p Profile, c batcher.Config, rate float64, requests int) (o Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, err := p.NewBatcher(c, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		o = Load{Rate: rate, Warmup: 1000, Requests: requests, Objective: p.Objective, Seed: 7}.Drive(b)
	})
	return o
}

// inTime is the batching that goes by the objective.
func inTime(p Profile) batcher.Config { return batcher.Config{Objective: p.Objective} }

// TestObjective: near its capacity, and under three times as much, made-up devices answer in time what they can.
func TestObjective(t *testing.T) {
	for _, devices := range []int{1, 2, 8} {
		for _, loose := range []bool{false, true} {
			p := Profile{Devices: devices, Fixed: 800 * time.Microsecond, Row: 100 * time.Microsecond, Largest: 64, Objective: 4 * time.Millisecond}
			part := 0.75
			if devices > 1 {
				part = 0.82
			}
			if loose {
				p.Objective, part = 12*time.Millisecond, 0.85
			}
			c := p.Capacity()
			if o := outcome(t, p, inTime(p), part*c, 4000); o.Share() < 0.99 {
				t.Errorf("%v, at %.2f of the capacity: %+v", p, part, o)
			}
			if o := outcome(t, p, inTime(p), 0.7*c, 4000); o.Share() < 0.999 {
				t.Errorf("%v, at 0.7 of the capacity: %+v", p, o)
			}
			o := outcome(t, p, inTime(p), 3*c, 4000)
			if o.Goodput() < 0.9*c || o.Late > o.Good/50 || o.Refused == 0 {
				t.Errorf("%v, overloaded: %+v, %.2f of the capacity in time", p, o, o.Goodput()/c)
			}
		}
	}
}

// TestWithoutObjective: what is told apart above is not there by itself. Devices that each take what has come collapse.
func TestWithoutObjective(t *testing.T) {
	p := Profile{Devices: 8, Fixed: 800 * time.Microsecond, Row: 100 * time.Microsecond, Largest: 64, Objective: 4 * time.Millisecond}
	if o := outcome(t, p, batcher.Config{}, 0.82*p.Capacity(), 4000); o.Share() > 0.9 {
		t.Errorf("%+v", o)
	}
}

// TestProfiles measures for `make bench`.
func TestProfiles(t *testing.T) {
	if *profiles == "" {
		t.Skip("-args -profiles=FILE asks for it")
	}
	var all []Measured
	for _, p := range Profiles() {
		p.Noise = *noise
		m := Measured{Profile: p, Tight: p.tight(), Capacity: p.Capacity(), Objective: sustained(t, p, inTime(p)), Idle: sustained(t, p, batcher.Config{})}
		for _, part := range []time.Duration{8, 4, 2} {
			m.Timeout = max(m.Timeout, sustained(t, p, batcher.Config{BatchTimeout: p.Objective / part}))
		}
		m.At70 = outcome(t, p, inTime(p), 0.7*m.Capacity, *requests).Share()
		m.Overload = outcome(t, p, inTime(p), 3*m.Capacity, *requests).Goodput() / m.Capacity
		all = append(all, m)
		t.Logf("%v: %+v", p, m)
	}
	content, err := json.MarshalIndent(all, "", " ")
	if err == nil {
		err = os.WriteFile(*profiles, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sustained is the highest rate, as a part of the capacity, of which 99% are answered in time.
func sustained(t *testing.T, p Profile, c batcher.Config) float64 {
	t.Helper()
	low, high := 0.0, 1.5
	if p.Best() == p.Largest {
		high = 1 // nothing but the end of the run would hide that more cannot be kept up
	}
	for high-low > 0.01 {
		if half := (low + high) / 2; outcome(t, p, c, half*p.Capacity(), *requests).Share() >= 0.99 {
			low = half
		} else {
			high = half
		}
	}
	return (low + high) / 2
}
