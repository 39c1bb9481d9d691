package tune

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/engine"
	"shoal/engine/tensorflow"
	"shoal/loadtest/bodies"
	"shoal/tensor"
)

// LoopOptions say how the model runs.
type LoopOptions struct {
	Instances int      // that run at once; below 1: 1
	IntraOp   int      // threads of one run; below 1: 1, which is the fastest for small models with one instance per core
	Signature string   // "": the default one
	Tags      []string // of the meta graph; none: serve
	Unknown   int      // size of inner dimensions that the signature leaves open; below 1: 1
}

// Loop runs a model in a loop, without a server: the most that the machine can do with it.
type Loop struct {
	model     *tensorflow.Model
	instances []engine.Instance
	sig       *tensor.Signature
	unknown   int
}

// OpenLoop loads the version in dir. The signature must have a batch dimension and inputs that can be made up.
// The caller closes the loop.
func OpenLoop(dir string, o LoopOptions) (l *Loop, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	m, err := tensorflow.Load(dir, tensorflow.Options{Tags: o.Tags, Config: &pb.ConfigProto{
		IntraOpParallelismThreads: int32(max(o.IntraOp, 1)), InterOpParallelismThreads: 1, AllowSoftPlacement: true,
		GpuOptions: &pb.GPUOptions{AllowGrowth: true},
	}})
	if err != nil {
		return nil, err
	}
	l = &Loop{model: m, unknown: o.Unknown}
	defer func() {
		if err != nil {
			l.Close()
			l = nil
		}
	}()
	name := o.Signature
	if name == "" {
		name = bodies.DefaultSignature
	}
	if l.sig = m.Signatures[name]; l.sig == nil {
		return l, fmt.Errorf("%s has no signature %q", dir, name)
	}
	if !bodies.Batched(l.sig) {
		return l, fmt.Errorf("signature %q has no batch dimension", name)
	}
	for range max(o.Instances, 1) {
		in, err := m.NewInstance()
		if err != nil {
			return l, err
		}
		l.instances = append(l.instances, in)
	}
	return l, l.try(name)
}

// try runs two rows: the model may refuse what is made up, or have outputs that are not as many.
func (l *Loop) try(name string) error {
	b, err := l.batch(2)
	if err != nil {
		return err
	}
	r, err := l.instances[0].Run(b)
	if err != nil {
		return fmt.Errorf("the model refuses made-up inputs: %w", err)
	}
	defer r.Free()
	for i := range r.Outputs {
		if s := r.Outputs[i].Shape; len(s) == 0 || s[0] != 2 {
			return fmt.Errorf("signature %q has no batch dimension: output %q has the shape %v for two rows", name, l.sig.Outputs[i].Name, s)
		}
	}
	return nil
}

// Close frees the model.
func (l *Loop) Close() {
	for _, in := range l.instances {
		in.Close()
	}
	l.model.Close()
}

// Signature is the one that runs.
func (l *Loop) Signature() *tensor.Signature { return l.sig }

// Batch makes a batch of random values.
func (l *Loop) Batch(rows int) *tensor.Batch {
	b, err := l.batch(rows)
	if err != nil {
		panic("tune: a batch that could be made up with one row cannot with more: " + err.Error())
	}
	return b
}

func (l *Loop) batch(rows int) (*tensor.Batch, error) {
	sizes, err := bodies.ParseSizes(strconv.Itoa(rows))
	if err != nil {
		return nil, err
	}
	made, err := bodies.Random{Signature: l.sig, Sizes: sizes, Unknown: l.unknown, Seed: 1}.Requests(1)
	if err != nil {
		return nil, err
	}
	b := &tensor.Batch{Signature: l.sig, Rows: rows, Size: rows, Parts: [][]tensor.Tensor{made[0].Inputs}}
	for _, in := range made[0].Inputs {
		b.Shapes = append(b.Shapes, in.Shape)
	}
	return b, nil
}

// RunOne runs one batch on the first instance.
func (l *Loop) RunOne(b *tensor.Batch) error {
	r, err := l.instances[0].Run(b)
	if err == nil {
		r.Free()
	}
	return err
}

// Throughput runs batches of a size on that many instances at once, and gives instances per second.
func (l *Loop) Throughput(rows int, d time.Duration) (float64, error) {
	s, err := l.Measure(rows, len(l.instances), d)
	return s.Throughput, err
}

// Sample is what a loop measured.
type Sample struct {
	Throughput float64 // rows per second, of all instances together
	P50, P99   time.Duration
	Runs       int
}

// Measure runs batches of a size on so many instances at once. Each makes three runs at least, of which the first, which
// prepares kernels, does not count.
func (l *Loop) Measure(rows, instances int, d time.Duration) (Sample, error) {
	b, err := l.batch(rows)
	if err != nil {
		return Sample{}, err
	}
	instances = min(instances, len(l.instances))
	took, errs := make([][]time.Duration, instances), make([]error, instances)
	var all sync.WaitGroup
	for i, in := range l.instances[:instances] {
		all.Go(func() {
			began := time.Now()
			for n := 0; n < 3 || time.Since(began) < d; n++ {
				start := time.Now()
				r, err := in.Run(b)
				if err != nil {
					errs[i] = err
					return
				}
				r.Free()
				if n > 0 {
					took[i] = append(took[i], time.Since(start))
				}
			}
		})
	}
	all.Wait()
	var s Sample
	var runs []time.Duration
	for i := range took {
		if errs[i] != nil {
			return s, errs[i]
		}
		var busy time.Duration
		for _, t := range took[i] {
			busy += t
		}
		s.Throughput += float64(rows*len(took[i])) / busy.Seconds()
		runs = append(runs, took[i]...)
	}
	slices.Sort(runs)
	s.P50, s.P99, s.Runs = runs[len(runs)/2], runs[(len(runs)*99)/100], len(runs)
	return s, nil
}
