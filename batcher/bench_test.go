package batcher

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"shoal/tensor"
)

// noop answers with memory it made before: what is measured is the batcher.
type noop struct {
	out  []byte
	spin time.Duration // of processor time a run takes
}

func (n *noop) Run(b *tensor.Batch) (*tensor.Result, error) {
	for end := time.Now().Add(n.spin); n.spin > 0 && time.Now().Before(end); {
	}
	return &tensor.Result{Outputs: []tensor.Tensor{{
		DType: tensor.Int64, Shape: tensor.Shape{int64(b.Size), 1}, Data: n.out[:8*b.Size],
	}}}, nil
}

func noops(n int, spin time.Duration) []Executor {
	var execs []Executor
	for range n {
		execs = append(execs, &noop{out: make([]byte, 8*1024), spin: spin})
	}
	return execs
}

// BenchmarkDecision admits one entry, decides, and takes the batch: one scheduling decision.
func BenchmarkDecision(b *testing.B) {
	for _, queues := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("queues=", queues), func(b *testing.B) {
			cfg := Config{BatchTimeout: time.Nanosecond}
			cfg.EnsureDefaults()
			var bl backlog
			bl.init(&cfg, &speed{}, new(1))
			tasks := make([]task, queues)
			var buf [keySize]byte
			admit := func(i int, now time.Time) {
				tasks[i] = task{sig: sigA, inputs: []tensor.Tensor{{DType: tensor.Int64, Shape: tensor.Shape{1, int64(i)}}}, arrived: now, rows: 1}
				if _, _, err := bl.admit(&tasks[i], appendShapeKey(buf[:0], tasks[i].inputs, false), time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
			inputs := make([][]tensor.Tensor, queues)
			for i := range tasks {
				admit(i, time.Now())
				inputs[i] = tasks[i].inputs
			}
			var items []item
			b.ReportAllocs()
			for b.Loop() {
				now := time.Now().Add(time.Microsecond)
				q, d, _ := bl.next(now)
				items = bl.fill(items[:0], q, d.rows, now)
				t := items[0].task
				t.taken, t.arrived = 0, now.Add(-time.Microsecond)
				if _, _, err := bl.admit(t, appendShapeKey(buf[:0], t.inputs, false), time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDo is the round trip of an entry, by callers at once and by what a run costs.
func BenchmarkDo(b *testing.B) {
	for _, c := range []struct {
		callers  int
		spin     time.Duration
		deadline bool
	}{{2, 0, false}, {2, 0, true}, {64, 0, false}, {64, 0, true}, {64, 20 * time.Microsecond, true}} {
		b.Run(fmt.Sprintf("callers=%d/run=%v/deadline=%v", c.callers, c.spin, c.deadline), func(b *testing.B) {
			bt, err := New(Config{}, noops(2, c.spin), nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer bt.Close()
			var total, calls atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(max(1, c.callers/runtime.GOMAXPROCS(0)))
			b.RunParallel(func(pb *testing.PB) {
				e := column(1)
				rows, n := 0, 0
				defer func() { total.Add(int64(rows)); calls.Add(int64(n)) }()
				for pb.Next() {
					if c.deadline {
						e.Deadline = time.Now().Add(time.Minute)
					}
					a, err := bt.Do(context.Background(), e)
					if err != nil {
						b.Error(err)
						return
					}
					rows, n = rows+a.BatchRows, n+1
					a.Free()
				}
			})
			b.ReportMetric(float64(total.Load())/float64(calls.Load()), "rows/batch")
		})
	}
}
