// Package batcher makes batches of requests. Entries of one signature and shape wait in a queue. They leave it as a batch when an
// instance is idle, or by the configured limits. The batch runs on the instance's executor, and each entry gets its rows of the
// outputs. The package knows no TensorFlow and no HTTP: an executor is anything that runs a tensor.Batch.
//
// The parts: a task is an entry in progress (task.go). A queue holds the tasks that can run together (queue.go). The backlog
// holds the queues and admits tasks (backlog.go). The policy decides when a queue gives a batch (policy.go). A worker takes the
// batch for its instance (worker.go), runs it, and isolates the entries that fail (run.go).
package batcher

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/alitto/pond/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/tensor"
)

// Executor runs batches on one instance of a model. One goroutine at a time calls it. It may read the batch and its inputs until
// Run returns; the outputs are valid until the result is freed. A panic becomes an INTERNAL error.
type Executor interface {
	Run(b *tensor.Batch) (*tensor.Result, error)
}

// Batcher is the queues and workers of one model version. It is safe for concurrent use.
type Batcher struct {
	cfg   Config
	limit *Limiter
	claim *claim // of the limiter's places
	obs   Observer
	log   *slog.Logger
	pool  pond.Pool
	all   []*worker // one for each instance
	tasks sync.Pool

	// mu guards what follows. It is held for queue operations only: never while waiting, running, or calling the observer. The
	// Limiter's lock is the only one that is taken with it held.
	mu       sync.Mutex
	backlog  backlog
	idle     []*worker
	waking   int // workers that were started and have not asked the backlog for a batch yet
	alarm    alarm
	watch    alarm         // for runs that are overdue
	speed    speed         // the time that batches take
	cost     speed         // the processor time that they use
	used     time.Duration // by all of them
	sizing   sizing
	service  service
	closing  bool
	shutdown sync.Once
	workers  sync.WaitGroup // those not idle
	ended    chan struct{}  // closed after Close, when the last run has ended
}

// New makes a batcher with one worker per executor. The caller owns the executors and closes them after Close. limit and obs may be
// nil.
func New(cfg Config, execs []Executor, limit *Limiter, obs Observer) (*Batcher, error) {
	var found sizing
	if cfg.FindBatchSize {
		setDefault(&cfg.MaxQueuedRows, DefaultMaxQueuedRows)
		found.init(&cfg)
	}
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(execs) == 0 {
		return nil, status.Error(codes.InvalidArgument, "batcher: no executors")
	}
	if obs == nil {
		obs = NoObserver{}
	}
	b := &Batcher{
		cfg: cfg, limit: limit, obs: obs, log: cfg.Logger, ended: make(chan struct{}),
		// A worker that has become idle may not have left the pool yet when it is started again; the queue, never
		// longer than the number of workers, holds it for that moment.
		pool: pond.NewPool(len(execs), pond.WithQueueSize(len(execs)), pond.WithoutPanicRecovery()),
	}
	b.sizing = found
	b.sizing.cfg = &b.cfg
	b.backlog.init(&b.cfg, &b.speed, &b.service.left)
	for _, m := range cfg.Measured {
		b.speed.observe(m.Rows, m.Took)
		b.cost.observe(m.Rows, m.Took)
	}
	b.alarm.ring, b.watch.ring = b.onAlarm, b.onWatch
	b.claim = limit.join(cfg.Model)
	for _, x := range execs {
		b.all = append(b.all, newWorker(b, x))
	}
	b.idle = slices.Clone(b.all)
	b.service.init(b.idle)
	return b, nil
}

// Do queues the entry and waits for its answer, its deadline, or the end of ctx, whichever comes first. It returns at that moment
// even if the entry is running. The exception is a batch that the caller's own goroutine runs; such a run takes a few
// milliseconds at most.
//
// The caller may reuse the entry itself when Do returns. What the entry points at (Inputs, their shapes and memory) belongs to
// Arena: after an error a run may still read it, until the arena's last reference is freed.
func (b *Batcher) Do(ctx context.Context, e *Entry) (*Answer, error) {
	now := time.Now()
	t := b.newTask(ctx, e, now)
	if err := b.refuse(ctx, t, now); err != nil {
		return nil, b.reject(t, err)
	}
	var buf [keySize]byte
	shape := appendShapeKey(buf[:0], t.inputs, b.cfg.PadVariableLength)

	var w *worker
	inline := false
	b.mu.Lock()
	if b.closing {
		b.mu.Unlock()
		return nil, b.reject(t, ErrClosed)
	}
	if err := b.Stranded(); err != nil {
		b.mu.Unlock()
		return nil, b.reject(t, err)
	}
	q, opened, err := b.backlog.admit(t, shape, b.free(now))
	if err != nil {
		b.mu.Unlock()
		return nil, b.reject(t, err)
	}
	if len(b.idle) > 0 {
		d := b.backlog.decide(q, now)
		switch {
		case d.rows == 0:
			b.alarm.set(d.until)
		case b.waking == 0 || opened:
			w = b.wake()
			inline = w.runsInline(t, q, now)
		}
	}
	b.mu.Unlock()
	if inline {
		w.workInline()
	} else {
		b.start(w)
	}

	return b.await(ctx, t)
}

// Stats is the state of a batcher at one moment.
type Stats struct {
	Entries   int           // waiting
	Rows      int           // of the entries waiting
	Queues    int           // with entries waiting: one for each signature and shape
	Oldest    time.Duration // how long the oldest entry has waited
	Busy      int           // instances at work, or woken to be
	Instances int
	InService int           // instances that take batches: all, unless a device is out of service or a run does not end
	Overdue   int           // instances whose run takes much longer than expected
	Waiting   int           // instances that wait for a place among the runs of all models
	Used      time.Duration // processor time of all runs that have ended
	Largest   int           // batch, in rows
	Load      float64       // work that waits and runs, as a share of what the instances in service do within the target; see load.go
}

// Stats reports the state, for status pages and metrics.
func (b *Batcher) Stats() Stats {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Stats{
		Entries: b.backlog.entries, Rows: b.backlog.rows, Queues: len(b.backlog.active),
		Busy: len(b.all) - len(b.idle) - len(b.service.parked), Instances: len(b.all),
		InService: b.service.left, Used: b.used, Largest: b.cfg.MaxExecutionBatchSize,
		Load: b.load(now),
	}
	for _, w := range b.all {
		if w.reported {
			s.Overdue++
		}
		if w.place.waits() {
			s.Waiting++
		}
	}
	if t := b.backlog.oldest(); t != nil {
		s.Oldest = now.Sub(t.arrived)
	}
	return s
}

// refuse returns the error of an entry whose time is up before it is queued, or nil.
func (b *Batcher) refuse(ctx context.Context, t *task, now time.Time) error {
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	if !t.deadline.IsZero() && !now.Before(t.deadline) {
		return errDeadlineBefore
	}
	return nil
}

// reject reports the error to the observer, recycles the task, and returns the error.
func (b *Batcher) reject(t *task, err error) error {
	if !t.compares {
		b.obs.EntryRejected(t.sig, err)
	}
	b.recycle(t)
	return err
}
