// Package scheduling drives the batcher with made-up devices, whose batches of b rows take α + β·b, and random arrivals: it
// shows how much of what the devices could do is answered in time, with more devices than the machine has. It runs in
// real time or, in a bubble of testing/synctest, in fake time.
package scheduling

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"shoal/batcher"
	"shoal/tensor"
)

// Profile is a model on so many devices, and what is asked of it.
type Profile struct {
	Devices   int
	Fixed     time.Duration // of a batch (α)
	Row       time.Duration // of each of its rows (β)
	Largest   int           // batch
	Objective time.Duration
	Noise     float64 // standard deviation of the logarithm of a run's time
}

func (p Profile) String() string {
	return fmt.Sprintf("%d devices, %v + %v a row, within %v", p.Devices, p.Fixed, p.Row, p.Objective)
}

// Latency is what a batch of that many rows takes.
func (p Profile) Latency(rows int) time.Duration { return p.Fixed + time.Duration(rows)*p.Row }

// Best is the largest batch with which a request that just missed one is in time with the next.
func (p Profile) Best() int {
	best := 1
	for b := 2; b <= p.Largest && float64(p.Latency(b))*(1+1/float64(p.Devices)) <= float64(p.Objective); b++ {
		best = b
	}
	return best
}

// Capacity is requests per second with all devices running batches of the best size without a pause.
func (p Profile) Capacity() float64 {
	return float64(p.Devices*p.Best()) / p.Latency(p.Best()).Seconds()
}

// NewBatcher makes a batcher in front of the profile's devices.
func (p Profile) NewBatcher(c batcher.Config, seed uint64) (*batcher.Batcher, error) {
	c.MaxBatchSize, c.MaxQueuedRows, c.MaxEnqueuedBatches = p.Largest, 1<<30, 1<<20
	var devices []batcher.Executor
	for i := range p.Devices {
		devices = append(devices, &device{profile: p, rnd: rand.New(rand.NewPCG(seed, uint64(i)))})
	}
	return batcher.New(c, devices, nil, nil)
}

// device takes its time and answers with nothing to speak of.
type device struct {
	profile Profile
	rnd     *rand.Rand
}

func (d *device) Run(b *tensor.Batch) (*tensor.Result, error) {
	took := float64(d.profile.Latency(b.Size))
	if s := d.profile.Noise; s > 0 {
		took *= math.Exp(d.rnd.NormFloat64()*s - s*s/2)
	}
	time.Sleep(time.Duration(took))
	return &tensor.Result{Outputs: []tensor.Tensor{{DType: tensor.Int8, Shape: tensor.Shape{int64(b.Size)}, Data: make([]byte, b.Size)}}}, nil
}
