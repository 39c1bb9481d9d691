// Package raw runs a SavedModel's session in a loop, without a server: the most that the machine can do with the model.
package raw

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"

	"shoal/savedmodel"
	"shoal/tensor"
)

// Loop is a model and one instance of it for each thread.
type Loop struct {
	model     *savedmodel.Model
	instances []*savedmodel.Instance
	sig       *tensor.Signature
}

// Load makes a loop of the default signature, whose inputs must have known inner dimensions. Threads run one instance each,
// with TensorFlow's own parallelism off: the fastest way for small models.
func Load(dir string, threads int) (*Loop, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	m, err := savedmodel.Load(dir, savedmodel.Options{Config: &pb.ConfigProto{IntraOpParallelismThreads: 1, InterOpParallelismThreads: 1}})
	if err != nil {
		return nil, err
	}
	l := &Loop{model: m, sig: m.Signatures["serving_default"]}
	if l.sig == nil {
		m.Close()
		return nil, fmt.Errorf("%s has no default signature", dir)
	}
	for range threads {
		in, err := m.NewInstance()
		if err != nil {
			l.Close()
			return nil, err
		}
		l.instances = append(l.instances, in)
	}
	return l, nil
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

// Batch makes a batch of rows zeros.
func (l *Loop) Batch(rows int) *tensor.Batch {
	b := &tensor.Batch{Signature: l.sig, Rows: rows, Size: rows}
	var part []tensor.Tensor
	for _, s := range l.sig.Inputs {
		shape := append(tensor.Shape{}, s.Shape...)
		shape[0] = int64(rows)
		n, _ := shape.Elements()
		part = append(part, tensor.Tensor{DType: s.DType, Shape: shape, Data: make([]byte, n*int64(s.DType.Size()))})
		b.Shapes = append(b.Shapes, shape)
	}
	b.Parts = [][]tensor.Tensor{part}
	return b
}

// RunOne runs one batch on the first instance.
func (l *Loop) RunOne(b *tensor.Batch) error {
	r, err := l.instances[0].Run(b)
	r.Free()
	return err
}

// Throughput runs batches of a size on all instances at once, and gives instances per second.
func (l *Loop) Throughput(rows int, d time.Duration) (float64, error) {
	counts, errs := make([]int, len(l.instances)), make([]error, len(l.instances))
	var all sync.WaitGroup
	start := time.Now()
	for i, in := range l.instances {
		all.Go(func() {
			b := l.Batch(rows)
			for time.Since(start) < d {
				r, err := in.Run(b)
				if err != nil {
					errs[i] = err
					return
				}
				r.Free()
				counts[i] += rows
			}
		})
	}
	all.Wait()
	total := 0
	for i := range counts {
		if errs[i] != nil {
			return 0, errs[i]
		}
		total += counts[i]
	}
	return float64(total) / time.Since(start).Seconds(), nil
}
