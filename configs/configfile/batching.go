package configfile

import (
	"math"
	"runtime"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/servables/tensorflow_go_proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shoal/configs"
)

// Batching is the content of a BatchingParameters file, with TensorFlow Serving's defaults for missing fields.
type Batching struct {
	MaxBatchSize          int // of one request too
	MaxExecutionBatchSize int // MaxBatchSize unless Split
	BatchTimeout          time.Duration
	MaxEnqueuedBatches    int
	NumBatchThreads       int // batches run at once, all models together
	ThreadPoolName        string
	AllowedBatchSizes     []int
	PadVariableLength     bool
	Split                 bool

	given map[string]bool
}

// Given reports whether the file has the field of this name.
func (b *Batching) Given(field string) bool { return b.given[field] }

// ReadBatching reads a text proto BatchingParameters: --batching_parameters_file, or a version's own file. The error
// is of the file system, *TextError or Faults.
func ReadBatching(path string) (*Batching, error) {
	p := &tensorflow_go_proto.BatchingParameters{}
	if err := readText(path, p, strictText); err != nil {
		return nil, err
	}
	return BatchingFromProto(p)
}

// BatchingFromProto checks a BatchingParameters and fills in the defaults. The error is Faults, with all of them.
func BatchingFromProto(p *tensorflow_go_proto.BatchingParameters) (*Batching, error) {
	b := &Batching{
		MaxBatchSize:       1000,
		MaxEnqueuedBatches: 10,
		NumBatchThreads:    runtime.NumCPU(),
		ThreadPoolName:     "batch_threads",
		PadVariableLength:  p.GetPadVariableLengthInputs(),
		Split:              p.GetEnableLargeBatchSplitting().GetValue(),
		given:              map[string]bool{},
	}
	p.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		b.given[string(field.Name())] = true
		return true
	})

	var faults configs.Faults
	positive := func(field string, to *int, wrapper interface{ GetValue() int64 }) {
		if !b.given[field] {
			return
		}
		if v := wrapper.GetValue(); v < 1 {
			faults.Addf("%s must be positive; was %d", field, v)
		} else {
			*to = int(min(v, math.MaxInt32))
		}
	}
	positive("max_batch_size", &b.MaxBatchSize, p.GetMaxBatchSize())
	positive("max_enqueued_batches", &b.MaxEnqueuedBatches, p.GetMaxEnqueuedBatches())
	positive("num_batch_threads", &b.NumBatchThreads, p.GetNumBatchThreads())
	b.MaxExecutionBatchSize = b.MaxBatchSize
	if b.Split {
		positive("max_execution_batch_size", &b.MaxExecutionBatchSize, p.GetMaxExecutionBatchSize())
	}
	if name := p.GetThreadPoolName().GetValue(); name != "" {
		b.ThreadPoolName = name
	}
	if v := p.GetBatchTimeoutMicros().GetValue(); v < 0 {
		faults.Addf("batch_timeout_micros must be non-negative; was %d", v)
	} else {
		b.BatchTimeout = time.Duration(min(v, math.MaxInt64/1000)) * time.Microsecond
	}
	if b.MaxExecutionBatchSize > b.MaxBatchSize {
		faults.Addf("max_execution_batch_size must be at most max_batch_size; was %d, max_batch_size is %d",
			b.MaxExecutionBatchSize, b.MaxBatchSize)
	}
	b.allow(p.GetAllowedBatchSizes(), &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return b, nil
}

// allow sets the allowed sizes. It compares the last one with max_batch_size, even if batches of max_execution_batch_size are
// run. That is TensorFlow Serving's rule.
func (b *Batching) allow(sizes []int64, faults *configs.Faults) {
	for i, size := range sizes {
		if size < 1 {
			faults.Addf("allowed_batch_sizes entries must be positive; was %d", size)
		}
		if i > 0 && size <= sizes[i-1] {
			faults.Addf("allowed_batch_sizes entries must be monotonically increasing; %d follows %d", size, sizes[i-1])
		}
		b.AllowedBatchSizes = append(b.AllowedBatchSizes, int(min(size, math.MaxInt32)))
	}
	if n := len(sizes); n > 0 && sizes[n-1] != int64(b.MaxBatchSize) {
		faults.Addf("Last entry in allowed_batch_sizes must match max_batch_size; last entry was %d; expected %d",
			sizes[n-1], b.MaxBatchSize)
	}
}
