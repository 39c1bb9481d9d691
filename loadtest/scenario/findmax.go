package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shoal/loadtest/load"
)

// Probe runs an open loop at a rate for at least so many requests. Seeds differ from probe to probe.
type Probe func(ctx context.Context, rate float64, requests int, seed uint64) (*load.Summary, error)

// Objective is met when no more than a part of the requests is late or not answered well.
type Objective struct {
	Latency  time.Duration
	Quantile float64 // 0.99
}

// QueriesPerProbe gives a share of 1% late requests to within ±0.25% with 95% confidence.
const QueriesPerProbe = 6100

// SearchOptions steer FindMax.
type SearchOptions struct {
	Objective Objective
	Guess     float64 // a rate near the server's capacity
	Precision float64 // how near the bounds must come; 0: 2%
	Seed      uint64
	Requests  int          // for a probe; 0: QueriesPerProbe
	Tried     func(*Trial) // called after each rate, may be nil
}

// Trial is a rate and how it went.
type Trial struct {
	Rate    float64       `json:"rate"`
	Met     bool          `json:"met"`
	Sure    bool          `json:"sure"` // with 95% confidence
	Queries uint64        `json:"queries"`
	Missed  uint64        `json:"missed"` // late, refused, wrong, timed out, broken or never sent
	Void    string        `json:"void,omitempty"`
	Summary *load.Summary `json:"-"` // of the last probe
}

// Search is the outcome of FindMax.
type Search struct {
	ObjectiveMS float64       `json:"objective_ms"`
	Quantile    float64       `json:"quantile"`
	Rate        float64       `json:"rate"` // the highest that met the objective, confirmed by a probe of its own; 0: none did
	Trials      []*Trial      `json:"trials"`
	Summary     *load.Summary `json:"-"` // of the confirming probe
}

const (
	maxTrials   = 40
	maxRepeats  = 3   // probes of one rate while it is not sure
	largestStep = 0.2 // down from a rate that was met once and then not
	lowestShare = 256 // of the guess, where the search gives up
	overloaded  = 10  // times as many missed as are allowed
)

// FindMax bisects for the highest rate that meets the objective, as MLPerf's server scenario does.
func FindMax(ctx context.Context, o SearchOptions, probe Probe) (*Search, error) {
	if o.Precision <= 0 {
		o.Precision = 0.02
	}
	if o.Requests <= 0 {
		o.Requests = QueriesPerProbe
	}
	if o.Guess <= 0 {
		return nil, errors.New("a search needs a rate to begin with")
	}
	s := &Search{ObjectiveMS: float64(o.Objective.Latency) / float64(time.Millisecond), Quantile: o.Objective.Quantile}
	try := func(rate float64) (bool, error) {
		t, err := trial(ctx, &o, probe, rate, uint64(len(s.Trials)))
		if err != nil {
			return false, err
		}
		s.Trials = append(s.Trials, t)
		if o.Tried != nil {
			o.Tried(t)
		}
		return t.Met, nil
	}
	low, high, err := bracket(o.Guess, try)
	if err != nil || low == 0 {
		return s, err
	}
	for high/low > 1+o.Precision && len(s.Trials) < maxTrials {
		middle := (low + high) / 2
		met, err := try(middle)
		if err != nil {
			return s, err
		}
		if met {
			low = middle
		} else {
			high = middle
		}
	}
	// The bisection's lower bound is the luckiest of several probes: it counts only if it is met again. Where it is not, the steps
	// down grow: what disturbs a machine for a while may well be more than the precision.
	step, found := o.Precision, low
	for range 2 * maxRepeats {
		met, err := try(low)
		if err != nil {
			return s, err
		}
		if met {
			s.Rate, s.Summary = low, s.Trials[len(s.Trials)-1].Summary
			return s, nil
		}
		low *= 1 - step
		step = min(2*step, largestStep)
	}
	return s, fmt.Errorf("the rate near %.0f/s met the objective once and then did not, nor did lower ones: the server or the machine is not steady", found)
}

// bracket finds a rate that meets the objective and one that does not; low is 0 where none meets it.
func bracket(guess float64, try func(float64) (bool, error)) (low, high float64, err error) {
	rate := guess * 0.8
	met, err := try(rate)
	for step := 1.25; err == nil && met; step *= 1.2 {
		low, rate = rate, rate*step
		if rate > 1000*guess {
			return 0, 0, errors.New("no rate is too high for the server: it cannot be the server that is measured")
		}
		met, err = try(rate)
	}
	high = rate
	for err == nil && low == 0 {
		if rate /= 1.6; rate < guess/lowestShare {
			return 0, high, nil
		}
		if met, err = try(rate); met {
			low = rate
		} else {
			high = rate
		}
	}
	return low, high, err
}

// trial probes a rate until it is sure, or often enough.
func trial(ctx context.Context, o *SearchOptions, probe Probe, rate float64, number uint64) (*Trial, error) {
	t := &Trial{Rate: rate}
	allowed := 1 - o.Objective.Quantile
	for k := range uint64(maxRepeats) {
		s, err := probe(ctx, rate, o.Requests, o.Seed+number*maxRepeats+k)
		if err != nil {
			return nil, err
		}
		t.Summary = s
		queries, missed := s.Sent+s.Unsent, s.Late+s.Sent-s.Good+s.Unsent
		// A late generator can show that a rate is far too high, never that it is not.
		if t.Void = s.Void; t.Void != "" && float64(missed) < overloaded*allowed*float64(queries) {
			continue
		}
		t.Queries += queries
		t.Missed += missed
		low, high := wilson(float64(t.Missed), float64(t.Queries))
		if t.Sure = high <= allowed || low > allowed; t.Sure {
			break
		}
	}
	t.Met = t.Queries > 0 && float64(t.Missed) <= allowed*float64(t.Queries)
	if t.Queries > 0 {
		t.Void = ""
	}
	return t, nil
}
