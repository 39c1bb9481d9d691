package batcher

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Defaults that EnsureDefaults fills in.
const (
	DefaultMaxBatchSize  = 128
	DefaultMaxQueuedRows = 16384
	DefaultMaxQueues     = 256
)

// Config is the batching of one model version. Fields that TensorFlow Serving's BatchingParameters have too have the same name
// and meaning; messages use the name that they have there (max_batch_size). The zero value, after EnsureDefaults, is the
// behaviour without a batching parameters file: a batch leaves when an instance is idle, and no entry is rejected for its size.
type Config struct {
	MaxBatchSize          int           // rows of a batch
	MaxExecutionBatchSize int           // rows of a batch as it is run; MaxBatchSize if entries are not split
	BatchTimeout          time.Duration // how long a batch that is not full waits, from the arrival of its oldest entry; 0: not at all
	MaxEnqueuedBatches    int           // batches waiting in a queue; there is a queue for each signature and shape
	AllowedBatchSizes     []int         // a batch is padded to the next of these; empty: any size
	PadVariableLength     bool          // entries that differ in other dimensions share a batch, padded to the largest
	Split                 bool          // entries are split where a batch ends, to fill it

	// EfficientRows is the size from which a batch gains little by growing. On a busy machine a smaller batch waits for requests
	// that have arrived but are not queued yet. 0: MaxExecutionBatchSize.
	EfficientRows int

	// FindBatchSize makes the batcher find the sizes above from the runs of live batches; they must be zero. It begins with
	// Measured.
	FindBatchSize bool

	// Objective is the time, from an entry's arrival, within which the entry should be answered. Entries that cannot meet it are
	// shed with a *LateError. Batches leave when that serves the objective best; BatchTimeout has no effect. 0: no objective.
	Objective time.Duration
	// Measured are runs that are known already, in ascending order of size. The objective and FindBatchSize estimate from them.
	Measured []Timing

	// MaxTaskRows is the largest entry accepted (MaxBatchSize, for TensorFlow Serving's rule). 0: entries of any size are
	// accepted; one larger than MaxExecutionBatchSize runs in several batches, and its answers are joined.
	MaxTaskRows int
	// MaxQueuedRows bounds the rows that wait in all queues together. An entry is accepted while fewer rows wait.
	MaxQueuedRows int
	// Priorities are the levels of entries, and how long each may wait.
	Priorities Priorities
	// Memory bounds the bytes of the inputs that wait; batchers share it. nil: no bound.
	Memory *Memory
	// MaxQueues bounds the number of queues. Beyond it, entries of other shapes run unbatched.
	MaxQueues int

	// DeviceFault reports whether a failed run was the fault of its device. The device then takes no more batches until Restore,
	// and the batch runs again on another one. It is called outside every lock. nil: no failure is a device's fault.
	DeviceFault func(device string, err error) bool

	// Model is the name under which the Limiter, which shares places between models, counts these runs.
	Model string
	// StuckAfter is how long a run may take before its instance is out of service until the run ends. The run must also take ten
	// times as long as expected. 0: no limit.
	StuckAfter time.Duration

	Logger *slog.Logger // nil: silent
}

// Timing is how long a batch of that many rows runs.
type Timing struct {
	Rows int
	Took time.Duration
}

// EnsureDefaults fills in what is zero.
func (c *Config) EnsureDefaults() {
	setDefault(&c.MaxBatchSize, DefaultMaxBatchSize)
	setDefault(&c.MaxExecutionBatchSize, c.MaxBatchSize)
	setDefault(&c.MaxQueuedRows, DefaultMaxQueuedRows)
	setDefault(&c.MaxEnqueuedBatches, max(1, c.MaxQueuedRows/max(1, c.MaxExecutionBatchSize)))
	setDefault(&c.EfficientRows, c.MaxExecutionBatchSize)
	setDefault(&c.MaxQueues, DefaultMaxQueues)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func setDefault(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

// Validate lists every fault, by the names that a batching parameters file has for the fields.
func (c *Config) Validate() error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, f := range []struct {
		name  string
		value int
		least int
	}{
		{"max_batch_size", c.MaxBatchSize, 1},
		{"max_execution_batch_size", c.MaxExecutionBatchSize, 1},
		{"batch_timeout_micros", int(c.BatchTimeout.Microseconds()), 0},
		{"efficient_rows", c.EfficientRows, 1},
		{"latency_objective", int(c.Objective), 0},
		{"stuck_run_timeout", int(c.StuckAfter), 0},
		{"max_enqueued_batches", c.MaxEnqueuedBatches, 1},
		{"max_task_rows", c.MaxTaskRows, 0},
		{"max_queued_rows", c.MaxQueuedRows, 1},
		{"max_queues", c.MaxQueues, 1},
	} {
		if f.value < f.least {
			fault("%s must be at least %d; was %d", f.name, f.least, f.value)
		}
	}
	if c.MaxExecutionBatchSize > c.MaxBatchSize {
		fault("max_execution_batch_size must not be larger than max_batch_size; was %d, max_batch_size %d",
			c.MaxExecutionBatchSize, c.MaxBatchSize)
	}
	if c.MaxTaskRows > c.MaxExecutionBatchSize && !c.Split {
		fault("max_execution_batch_size %d is smaller than an entry may be (%d); set enable_large_batch_splitting",
			c.MaxExecutionBatchSize, c.MaxTaskRows)
	}
	c.Priorities.faults(fault)
	last := 0
	for _, size := range c.AllowedBatchSizes {
		if size <= last {
			fault("allowed_batch_sizes must be positive and increasing; was %v", c.AllowedBatchSizes)
			break
		}
		last = size
	}
	if len(faults) == 0 {
		return nil
	}
	return status.Error(codes.InvalidArgument, "batching parameters: "+strings.Join(faults, "; "))
}

// sizeFor returns the number of rows, with padding, that a batch of that many rows is run with.
func (c *Config) sizeFor(rows int) int {
	for _, size := range c.AllowedBatchSizes {
		if size >= rows {
			return size
		}
	}
	return rows
}

// splittable reports whether an entry of that many rows may be split where a batch ends.
func (c *Config) splittable(rows int) bool { return c.Split || rows > c.MaxExecutionBatchSize }
