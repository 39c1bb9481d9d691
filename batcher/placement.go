package batcher

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Placed is an Executor on one of several devices. The instances of a device that fails can be taken out of service while
// those of the others go on.
type Placed interface {
	Executor
	// Device names the device; it never changes.
	Device() string
	// Unlimited reports whether a run uses that device and no CPU core. The Limiter does not count such a run.
	Unlimited() bool
}

// ErrNoDevice is what every *NoDeviceError is, for errors.Is.
var ErrNoDevice = errors.New("no device is in service")

// NoDeviceError is returned while every device of the model is out of service (UNAVAILABLE).
type NoDeviceError struct {
	Causes map[string]string // by device
}

func (e *NoDeviceError) Error() string {
	var list []string
	for _, device := range slices.Sorted(maps.Keys(e.Causes)) {
		list = append(list, device+": "+e.Causes[device])
	}
	return "every device of the model is out of service: " + strings.Join(list, "; ")
}

// Is makes errors.Is(err, ErrNoDevice) true.
func (e *NoDeviceError) Is(target error) bool { return target == ErrNoDevice }

// GRPCStatus is the error as gRPC sends it.
func (e *NoDeviceError) GRPCStatus() *status.Status { return status.New(codes.Unavailable, e.Error()) }

// ErrStuck is what every *StuckError is, for errors.Is.
var ErrStuck = errors.New("no run of the model ends")

// StuckError is returned while every instance of the model is out of service for a run that does not end (UNAVAILABLE).
type StuckError struct {
	Runs  int           // that do not end
	After time.Duration // Config.StuckAfter
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("no instance of the model is in service: %d runs have been under way for more than %v and may never end "+
		"(--stuck_run_timeout)", e.Runs, e.After)
}

// Is makes errors.Is(err, ErrStuck) true.
func (e *StuckError) Is(target error) bool { return target == ErrStuck }

// GRPCStatus is the error as gRPC sends it.
func (e *StuckError) GRPCStatus() *status.Status { return status.New(codes.Unavailable, e.Error()) }

// service is which instances take batches. Batcher.mu guards it.
type service struct {
	placed   map[string]int        // workers on each device
	out      map[string]string     // devices out of service, and why
	left     int                   // workers in service
	parked   []*worker             // those out of service that are not running any more
	moved    [][]item              // batches whose device failed; a worker of another device takes them before all others
	stranded atomic.Pointer[error] // why no worker is in service; nil: one is. Written with mu held, read without
}

func (s *service) init(idle []*worker) {
	s.placed, s.out, s.left = make(map[string]int), make(map[string]string), len(idle)
	for _, w := range idle {
		if w.device != "" {
			s.placed[w.device]++
		}
	}
}

// serves reports whether the worker may take batches. Called with mu held.
func (b *Batcher) serves(w *worker) bool {
	if w.stuck {
		return false
	}
	if len(b.service.out) == 0 {
		return true
	}
	_, out := b.service.out[w.device]
	return !out
}

// recount counts the workers in service. If none is left, it ends everything in the queues with an error. The caller ends the
// batches that are in no queue with outage.end. Called with mu held.
func (b *Batcher) recount() (lost outage) {
	s := &b.service
	stuck := 0
	s.left = 0
	for _, w := range b.all {
		if b.serves(w) {
			s.left++
		} else if w.stuck {
			stuck++
		}
	}
	if s.left > 0 {
		s.stranded.Store(nil)
		return outage{}
	}
	var err error = &NoDeviceError{maps.Clone(s.out)}
	if stuck > 0 {
		err = &StuckError{stuck, b.cfg.StuckAfter}
	}
	s.stranded.Store(&err)
	lost = outage{b, s.moved, err}
	s.moved = nil
	for len(b.backlog.active) > 0 {
		b.backlog.end(b.backlog.active[0].head, err)
	}
	return lost
}

// outage holds the batches that waited for another device when the last instance went out of service.
type outage struct {
	b     *Batcher
	moved [][]item
	err   error
}

// end fails these batches. Called without mu.
func (o outage) end() {
	for _, items := range o.moved {
		(&worker{b: o.b}).fail(items, o.err)
	}
}

// rest makes a worker idle, or parks it if it is out of service. Called with mu held.
func (b *Batcher) rest(w *worker) {
	if b.serves(w) {
		b.idle = append(b.idle, w)
	} else {
		b.service.parked = append(b.service.parked, w)
	}
}

// Withdraw takes the instances on a device out of service until Restore: they take no more batches, and their current runs go on.
// If these are the last instances in service, everything that waits, and each new entry, fails with a *NoDeviceError.
func (b *Batcher) Withdraw(device, cause string) {
	b.mu.Lock()
	s := &b.service
	if _, out := s.out[device]; out || s.placed[device] == 0 {
		b.mu.Unlock()
		return
	}
	s.out[device] = cause
	b.idle = slices.DeleteFunc(b.idle, func(w *worker) bool {
		if w.device == device {
			s.parked = append(s.parked, w)
		}
		return w.device == device
	})
	lost := b.recount()
	b.mu.Unlock()
	lost.end()
}

// Restore puts the instances on a device back into service.
func (b *Batcher) Restore(device string) {
	b.mu.Lock()
	s := &b.service
	if _, out := s.out[device]; !out {
		b.mu.Unlock()
		return
	}
	delete(s.out, device)
	lost := b.recount()
	s.parked = slices.DeleteFunc(s.parked, func(w *worker) bool {
		if w.device == device {
			b.idle = append(b.idle, w)
		}
		return w.device == device
	})
	w := b.wakeDue(time.Now())
	b.mu.Unlock()
	lost.end()
	b.start(w)
}

// wakeDue wakes an idle worker if a batch is due, and sets the alarm if one will be. nil: no worker was woken. Called with mu held.
func (b *Batcher) wakeDue(now time.Time) *worker {
	if len(b.idle) == 0 || b.waking > 0 {
		return nil
	}
	q, _, until := b.backlog.next(now)
	if q == nil {
		b.alarm.set(until)
		return nil
	}
	return b.wake()
}

// InService reports whether the instances on a device take batches.
func (b *Batcher) InService(device string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, out := b.service.out[device]
	return !out
}

// Stranded returns an error that says why nothing can be run, or nil. It takes no lock.
func (b *Batcher) Stranded() error {
	if e := b.service.stranded.Load(); e != nil {
		return *e
	}
	return nil
}

// failOver handles items whose run failed. If the device is not to blame, it returns the error. Otherwise it gives the items to a
// worker of another device, or fails them if there is none, and returns nil. A batch that two devices failed with is not given to
// a third, because the batch may be the cause.
func (w *worker) failOver(items []item, err error) error {
	b := w.b
	if b.cfg.DeviceFault == nil || w.device == "" || !b.cfg.DeviceFault(w.device, err) {
		return err
	}
	b.Withdraw(w.device, status.Convert(err).Message())
	items = slices.Clone(w.stillWanted(items)) // the worker reuses its own slice
	if w.again {
		w.fail(items, err)
		return nil
	}
	var next *worker
	b.mu.Lock()
	stranded := b.Stranded()
	if stranded == nil && len(items) > 0 {
		b.service.moved = append(b.service.moved, items)
		if len(b.idle) > 0 {
			next = b.wake()
		}
	}
	b.mu.Unlock()
	if stranded != nil {
		w.fail(items, fmt.Errorf("the batch could not be run elsewhere: %w", stranded))
	}
	b.start(next)
	return nil
}

// takeMoved takes the oldest batch whose device failed, and reports whether there was one. Called with mu held.
func (w *worker) takeMoved(now time.Time) bool {
	s := &w.b.service
	w.again = len(s.moved) > 0
	if !w.again {
		return false
	}
	w.items = append(w.items[:0], s.moved[0]...)
	s.moved[0] = nil
	s.moved = s.moved[1:]
	w.reason, w.taken = ReasonRetry, now
	return true
}
