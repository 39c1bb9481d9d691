package scheduling

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"shoal/batcher"
	"shoal/tensor"
)

// Outcome is what became of the requests that were counted.
type Outcome struct {
	Sent     int
	Good     int // answered within the objective
	Late     int
	Refused  int
	Duration time.Duration // from the first request counted to the last
	Rows     float64       // mean batch of the good
}

// Share of the requests that were answered in time.
func (o Outcome) Share() float64 { return float64(o.Good) / float64(max(o.Sent, 1)) }

// Goodput is requests answered in time, per second.
func (o Outcome) Goodput() float64 { return float64(o.Good) / o.Duration.Seconds() }

// Load is an open loop: requests of one row at random times (Poisson), whatever becomes of them.
type Load struct {
	Rate      float64
	Warmup    int // requests at the beginning that are not counted
	Requests  int
	Objective time.Duration
	Seed      uint64
}

var signature = &tensor.Signature{Name: "made up"}

// Drive sends the load and waits for all answers.
func (l Load) Drive(b *batcher.Batcher) Outcome {
	var good, late, refused, rows atomic.Int64
	var all sync.WaitGroup
	rnd := rand.New(rand.NewPCG(l.Seed, 99))
	inputs := []tensor.Tensor{{DType: tensor.Int8, Shape: tensor.Shape{1}, Data: []byte{1}}}
	start := time.Now()
	due, begun := start, start
	for i := range l.Warmup + l.Requests {
		due = due.Add(time.Duration(rnd.ExpFloat64() / l.Rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		if i == l.Warmup {
			begun = due
		}
		due := due // latency counts from when the request is due, not from when it gets its turn
		all.Go(func() {
			a, err := b.Do(context.Background(), &batcher.Entry{Signature: signature, Inputs: inputs})
			took := time.Since(due)
			defer a.Free()
			switch {
			case i < l.Warmup:
			case errors.Is(err, batcher.ErrLate) || errors.Is(err, batcher.ErrQueueFull):
				refused.Add(1)
			case err == nil && took <= l.Objective:
				good.Add(1)
				rows.Add(int64(a.BatchRows))
			default:
				late.Add(1)
			}
		})
	}
	ended := due
	all.Wait()
	return Outcome{
		Sent: l.Requests, Good: int(good.Load()), Late: int(late.Load()), Refused: int(refused.Load()),
		Duration: ended.Sub(begun), Rows: float64(rows.Load()) / float64(max(good.Load(), 1)),
	}
}
