// Package tune finds the settings with which a model gets the most done on this machine: batch size, instances that run at
// once, and threads of each run. It runs the model's session in a loop, without a server.
package tune

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Options say what is tried, and for how long.
type Options struct {
	Dir       string // of the version
	Tags      []string
	Signature string
	Unknown   int           // made-up size of inner dimensions that the signature leaves open
	Largest   int           // batch
	Cores     int           // instances × threads tried; below 1: those of the machine
	Time      time.Duration // for all measurements together; loading the model comes on top
	P99       time.Duration // what a request may take; 0: whatever it takes
	Progress  func(done, all int, c *Cell)
}

// Cell is one setting and what it reaches.
type Cell struct {
	Batch      int           `json:"batch"`
	Instances  int           `json:"instances"`
	Threads    int           `json:"threads"`
	Throughput float64       `json:"throughput"` // instances of data per second
	P50        time.Duration `json:"run_p50_ns"`
	P99        time.Duration `json:"run_p99_ns"`
	Request    time.Duration `json:"request_p99_ns"` // estimated: a request that just missed a batch waits for the next
	Runs       int           `json:"runs"`
}

// request is the time that a request may take when all instances are busy with batches like its own: it waits until one of
// them is free, which is so evenly often, and then for its run.
func (c *Cell) request() time.Duration { return c.P99 + c.P99/time.Duration(c.Instances) }

// Result is the table and the choice.
type Result struct {
	Signature string        `json:"signature"`
	Cells     []Cell        `json:"cells"`
	Best      *Cell         `json:"best"` // nil: none meets the objective
	P99       time.Duration `json:"p99_ns,omitempty"`
	Cut       bool          `json:"cut,omitempty"` // the time was over before all settings were tried
}

// enough is the part of the best throughput that is good enough: among the settings that reach it, the smallest batch answers
// soonest.
const enough = 0.97

// slow is how long a run may take for larger batches still to be tried.
const slow = 2 * time.Second

// Run measures. Larger batches are not tried once throughput has fallen to half, or once even they alone miss the objective.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.Cores < 1 {
		o.Cores = runtime.NumCPU()
	}
	r := &Result{P99: o.P99}
	var ways [][2]int // threads, instances
	for threads := 1; threads <= o.Cores; threads *= 2 {
		for _, instances := range counts(o.Cores / threads) {
			ways = append(ways, [2]int{threads, instances})
		}
	}
	sizes := 0
	for rows := 1; rows <= o.Largest; rows *= 2 {
		sizes++
	}
	each := o.Time / time.Duration(len(ways)*sizes)
	var loop *Loop
	defer func() {
		if loop != nil {
			loop.Close()
		}
	}()
	var spent time.Duration
	for w, way := range ways {
		threads, instances := way[0], way[1]
		if instances == o.Cores/threads { // the first with so many threads, and the most instances
			if loop != nil {
				loop.Close()
			}
			var err error
			if loop, err = OpenLoop(o.Dir, LoopOptions{Instances: instances, IntraOp: threads, Signature: o.Signature, Tags: o.Tags, Unknown: o.Unknown}); err != nil {
				loop = nil
				return nil, err
			}
			r.Signature = loop.Signature().Name
		}
		best := 0.0
		for i, rows := 0, 1; rows <= o.Largest; i, rows = i+1, rows*2 {
			if err := ctx.Err(); err != nil || spent > o.Time {
				r.Cut = true
				r.choose()
				return r, nil
			}
			began := time.Now()
			s, err := loop.Measure(rows, instances, each)
			spent += time.Since(began)
			if err != nil {
				return nil, fmt.Errorf("a batch of %d: %w", rows, err)
			}
			c := Cell{Batch: rows, Instances: instances, Threads: threads, Throughput: s.Throughput, P50: s.P50, P99: s.P99, Runs: s.Runs}
			c.Request = c.request()
			r.Cells = append(r.Cells, c)
			if o.Progress != nil {
				o.Progress(w*sizes+i+1, len(ways)*sizes, &c)
			}
			if best = max(best, c.Throughput); c.Throughput < best/2 || c.P50 > slow || o.P99 > 0 && c.P50 > o.P99 {
				break
			}
		}
	}
	r.choose()
	return r, nil
}

// counts are the numbers of instances tried, the most first: all, halves of it, and one.
func counts(most int) (list []int) {
	for n := most; n >= 1; n /= 2 {
		list = append(list, n)
	}
	return list
}

// choose takes the smallest batch, and among those the highest throughput, that nearly reaches the best that meets the objective.
func (r *Result) choose() {
	meets := func(c *Cell) bool { return r.P99 == 0 || c.Request <= r.P99 }
	best := 0.0
	for i := range r.Cells {
		if c := &r.Cells[i]; meets(c) {
			best = max(best, c.Throughput)
		}
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		if !meets(c) || c.Throughput < enough*best {
			continue
		}
		if r.Best == nil || c.Batch < r.Best.Batch || c.Batch == r.Best.Batch && c.Throughput > r.Best.Throughput {
			r.Best = c
		}
	}
}
