package tensorflow

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"shoal/internal/memory"
	"shoal/tensor"
)

// paddings say with how many rows a batch is run.
var paddings = []struct {
	name string
	size func(rows, largest int64) int64
}{
	{"largest", func(_, largest int64) int64 { return largest }},
	{"any", func(rows, _ int64) int64 { return rows }},
	{"powers", func(rows, _ int64) int64 {
		size := int64(1)
		for size < rows {
			size *= 2
		}
		return size
	}},
	{"eighths", func(rows, _ int64) int64 { // padded by less than an eighth
		step := int64(1)
		for 16*step <= rows {
			step *= 2
		}
		return (rows + step - 1) / step * step
	}},
}

// BenchmarkSizes is what it costs that batches are of any size, as traffic makes them: oneDNN and TensorFlow keep what they
// prepared for each. Rows are uniform up to the largest batch, the worst that can happen; padding does not count as work. What is
// prepared stays in the process: run one of these at a time to see what it takes, -bench 'BenchmarkSizes/mlp/.256/any'.
func BenchmarkSizes(b *testing.B) {
	models := benchModels(b)
	for _, c := range []struct {
		model   string
		largest int64
	}{{"mlp", 64}, {"mlp", 256}, {"transformer", 64}, {"mobilenet_v2", 4}, {"mobilenet_v2", 32}} {
		for _, p := range paddings {
			b.Run(c.model+"/"+tensor.Shape{c.largest}.String()+"/"+p.name, func(b *testing.B) {
				benchmarkSizes(b, models[c.model], c.largest, p.size)
			})
		}
	}
}

func benchmarkSizes(b *testing.B, dir string, largest int64, padded func(rows, largest int64) int64) {
	r := newRunner(b, dir, benchOptions(Options{}))
	sig := r.model.Signatures["serving_default"]
	random := rand.New(rand.NewPCG(1, 2))
	inputs := make(map[int64][]tensor.Tensor)
	run := func(size int64) {
		if inputs[size] == nil {
			inputs[size] = randomInputs(sig, size, random)
		}
		out, err := r.run(sig.Name, inputs[size])
		if err != nil {
			b.Fatal(err)
		}
		out.Free()
	}
	run(1)
	run(largest)
	memory.Release()
	before := processBytes(b, "RssAnon")

	sizes := make(map[int64]bool)
	for rows := int64(1); rows <= largest; rows++ {
		sizes[padded(rows, largest)] = true
	}
	var passes [2]time.Duration // the first run of a size prepares it
	for i := range passes {
		began := cpuTime()
		for _, size := range slices.Sorted(maps.Keys(sizes)) {
			run(size)
		}
		passes[i] = cpuTime() - began
	}

	worked := int64(0)
	start := cpuTime()
	for b.Loop() {
		rows := 1 + random.Int64N(largest)
		run(padded(rows, largest))
		worked += rows
	}
	b.ReportMetric(float64(worked)/(cpuTime()-start).Seconds(), "instances/cpu-s")
	b.ReportMetric(float64(len(sizes)), "sizes")
	b.ReportMetric((passes[0]-passes[1]).Seconds()*1e3/float64(len(sizes)), "ms-to-prepare-one")
	memory.Release()
	b.ReportMetric(float64(processBytes(b, "RssAnon")-before)/1e6, "MB")
}
