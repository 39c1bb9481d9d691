package scenario

import (
	"context"

	"shoal/loadtest/load"
)

// Step is a point of the latency–throughput curve.
type Step struct {
	Share   float64       `json:"share"` // of the highest rate that met the objective
	Rate    float64       `json:"rate"`
	Summary *load.Summary `json:"summary"`
}

// Curve measures at 10% to 120% of a rate.
func Curve(ctx context.Context, highest float64, run func(ctx context.Context, rate float64, step int) (*load.Summary, error)) ([]Step, error) {
	var steps []Step
	for i := range 12 {
		share := float64(i+1) / 10
		s, err := run(ctx, share*highest, i)
		if err != nil {
			return steps, err
		}
		steps = append(steps, Step{Share: share, Rate: share * highest, Summary: s})
	}
	return steps, nil
}
