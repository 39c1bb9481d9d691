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
	// Unlimited says that a run keeps that device busy, and no core: the Limiter does not count it.
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
	moved    [][]item              // batches whose device failed: another one's worker takes them before all others
	stranded atomic.Pointer[error] // why nobody is in service; nil: somebody is. Written with mu held, read without
}

func (s *service) init(idle []*worker) {
	s.placed, s.out, s.left = make(map[string]int), make(map[string]string), len(idle)
	for _, w := range idle {
		if w.device != "" {
			s.placed[w.device]++
		}
	}
}

// serves tells whether the worker may take batches. Called with mu held.
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

// recount counts the workers in service anew. Where nobody is left, everything that waits is answered so: what of it is in no
// queue, by outage.end. Called with mu held.
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

// outage is the batches that were to be run elsewhere when the last instance went out of service.
type outage struct {
	b     *Batcher
	moved [][]item
	err   error
}

// end answers them; it is called without mu.
func (o outage) end() {
	for _, items := range o.moved {
		(&worker{b: o.b}).fail(items, o.err)
	}
}

// rest puts a worker that has nothing to do where it waits. Called with mu held.
func (b *Batcher) rest(w *worker) {
	if b.serves(w) {
		b.idle = append(b.idle, w)
	} else {
		b.service.parked = append(b.service.parked, w)
	}
}

// Withdraw takes the instances on a device out of service until Restore: they take no more batches, and what they are running
// is let go on. When the last one goes, everything that waits is answered with a *NoDeviceError, and so are new entries.
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

// wakeDue takes an idle worker for a batch that is due (nil: there is none), or sets the alarm. Called with mu held.
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

// InService tells whether the instances on a device take batches.
func (b *Batcher) InService(device string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, out := b.service.out[device]
	return !out
}

// Stranded says why nothing can be run, or returns nil. It takes no lock.
func (b *Batcher) Stranded() error {
	if e := b.service.stranded.Load(); e != nil {
		return *e
	}
	return nil
}

// failOver is what becomes of items whose run failed. Where the device is to blame they are handed to a worker on another one, or
// ended where there is none, and err is nil. A batch that failed two devices is not given a third: it may be what kills them.
func (w *worker) failOver(items []item, err error) error {
	b := w.b
	if b.cfg.DeviceFault == nil || w.device == "" || !b.cfg.DeviceFault(w.device, err) {
		return err
	}
	b.Withdraw(w.device, status.Convert(err).Message())
	items = slices.Clone(w.living(items)) // the worker's own are used again
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

// takeMoved takes a batch whose device failed, the first that did. Called with mu held.
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
