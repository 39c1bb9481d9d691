package devices

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// WatchOptions say how devices are watched; zero fields have defaults.
type WatchOptions struct {
	Every    time.Duration // between readings; default: a second
	Retry    time.Duration // until a device out of service is tried again, doubled with every failure in a row; default: ten seconds
	MaxRetry time.Duration // the longest such pause; after as long in service, failures are forgotten; default: five minutes
	Root     fs.FS         // the machine's files; nil: "/"
	Logger   *slog.Logger  // nil: nothing is logged
	// OnChange, if not nil, is called at every change of state, one at a time and in order. It must return soon and not call Fail.
	OnChange func(Change)
}

// longestWait is the longest wait for events, and so about the time that Run takes to notice that its context has ended.
const longestWait = 100 * time.Millisecond

// Reader returns the devices' latest states and readings. It does not wait and asks no device, so it can serve status pages and
// metrics.
type Reader interface{ Snapshot() *Snapshot }

// Watcher takes readings, waits for the driver's events, takes devices out of service and puts them back. Snapshot and Fail are
// safe for concurrent use. While Run runs, it is the only user of the manager.
type Watcher struct {
	manager Manager
	opts    WatchOptions
	log     *slog.Logger
	meter   *cpuMeter
	deaf    bool // the manager reports no events

	mu       sync.Mutex // guards statuses, and orders publishing and OnChange
	statuses []Status
	latest   atomic.Pointer[Snapshot]
}

// NewWatcher makes a watcher of CPUs and of devices of an open manager. Devices that cannot be used are not watched.
func NewWatcher(m Manager, list []*Device, o WatchOptions) *Watcher {
	o.Every = cmp.Or(o.Every, time.Second)
	o.Retry = cmp.Or(o.Retry, 10*time.Second)
	o.MaxRetry = max(cmp.Or(o.MaxRetry, 5*time.Minute), o.Retry)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Root == nil {
		o.Root = os.DirFS("/")
	}
	w := &Watcher{manager: m, opts: o, log: o.Logger, meter: newCPUMeter(o.Root)}
	w.deaf = true
	for _, d := range list {
		if d.Unusable == "" {
			w.statuses = append(w.statuses, Status{Device: d, State: InService})
			w.deaf = w.deaf && d.Kind != GPU
		}
	}
	w.latest.Store(&Snapshot{Devices: slices.Clone(w.statuses)})
	return w
}

// Observe takes one reading of each device. The utilisation of a CPU needs two readings and stays unknown.
func Observe(m Manager, list []*Device, root fs.FS) *Snapshot {
	w := NewWatcher(m, list, WatchOptions{Root: root})
	w.readAll()
	return w.Snapshot()
}

// Snapshot returns the latest snapshot; it is never nil.
func (w *Watcher) Snapshot() *Snapshot { return w.latest.Load() }

// Fail takes a device out of service because a run on it failed and the device is to blame. It does nothing if the device is out of
// service already, or not watched.
func (w *Watcher) Fail(id string, cause error) { w.lose(id, Failed, cause.Error()) }

// Run watches until ctx ends. If the driver hangs, Run hangs too: calls of the driver cannot be interrupted.
func (w *Watcher) Run(ctx context.Context) {
	for ctx.Err() == nil {
		next := time.Now().Add(w.opts.Every)
		w.readAll()
		w.listen(ctx, next)
	}
}

// listen handles events until the time `until`, or until ctx ends.
func (w *Watcher) listen(ctx context.Context, until time.Time) {
	for !w.deaf && ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			return
		}
		e, ok, err := w.manager.Wait(min(left, longestWait))
		switch {
		case errors.Is(err, ErrUnsupported):
			w.deaf = true
			w.log.Info("the GPUs report no events: errors are seen in readings and failed runs only")
		case err != nil:
			w.sleep(ctx, until) // the readings show what is wrong
		case ok:
			w.handle(e)
		}
	}
	w.sleep(ctx, until)
}

func (w *Watcher) sleep(ctx context.Context, until time.Time) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// handle counts an event. If it is critical, handle takes the devices concerned out of service.
func (w *Watcher) handle(e Event) {
	cause := fmt.Sprintf("the driver reports %s", e.Kind)
	if e.Kind == EventXid {
		cause = fmt.Sprintf("the driver reports Xid %d", e.Xid)
	}
	w.mu.Lock()
	for i := range w.statuses {
		s := &w.statuses[i]
		if !e.concerns(s.Device) {
			continue
		}
		if e.Kind == EventXid {
			if s.LastXid != e.Xid {
				w.log.Warn("the driver reports an error of a GPU", slog.String("device", s.Device.String()), slog.String("id", s.Device.ID), slog.Uint64("xid", e.Xid))
			}
			s.Xids++
			s.LastXid = e.Xid
		}
		if e.critical() {
			w.apply(s.lose(Failed, cause, time.Now(), &w.opts))
		}
	}
	w.publish(w.latest.Load().Taken)
	w.mu.Unlock()
}

// readAll takes a reading of every device that is due.
func (w *Watcher) readAll() {
	now := time.Now()
	current := w.Snapshot().Devices
	if slices.ContainsFunc(current, func(s Status) bool { return s.State == Lost && s.due(now) }) {
		if err := w.manager.Reopen(); err != nil {
			w.log.Debug("the driver cannot be opened again", slog.Any("err", err))
		}
	}
	cpu := sync.OnceValue(w.meter.read)
	for _, s := range current {
		if !s.due(now) {
			continue
		}
		if s.Device.Kind == CPU {
			w.record(s.Device.ID, cpu(), now)
			continue
		}
		r, err := w.manager.Read(s.Device.ID)
		switch {
		case errors.Is(err, ErrLost) && s.State != Lost:
			w.lose(s.Device.ID, Lost, err.Error())
		case err != nil && s.State != InService:
			w.postpone(s.Device.ID)
		case err != nil:
			w.log.Debug("no reading", slog.String("device", s.Device.String()), slog.Any("err", err))
			w.record(s.Device.ID, Reading{}, now)
		default:
			w.record(s.Device.ID, r, now)
		}
	}
	w.mu.Lock()
	w.publish(time.Now())
	w.mu.Unlock()
}

// record keeps a reading. A device out of service whose pause is over goes back into service, because it answers.
func (w *Watcher) record(id string, r Reading, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.find(id)
	if s.State != InService {
		if !s.due(now) {
			return // taken out of service meanwhile
		}
		w.apply(s.restore(now), true)
	}
	s.Reading = r
}

// lose takes a device out of service.
func (w *Watcher) lose(id string, to State, cause string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.find(id); s != nil {
		w.apply(s.lose(to, cause, time.Now(), &w.opts))
		w.publish(w.latest.Load().Taken)
	}
}

// postpone gives a device that was tried without success a new, longer pause.
func (w *Watcher) postpone(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.find(id)
	s.inRow++
	s.postpone(time.Now(), &w.opts)
}

// apply logs a change and reports it to OnChange. Called with mu held; the caller publishes afterwards.
func (w *Watcher) apply(c Change, changed bool) {
	if !changed {
		return
	}
	attrs := []any{slog.String("device", c.Device.String()), slog.String("id", c.Device.ID), slog.String("cause", c.Cause)}
	if c.To == InService {
		w.log.Info("device is back in service", attrs...)
	} else {
		w.log.Error("device is out of service", append(attrs, slog.String("state", string(c.To)))...)
	}
	if w.opts.OnChange != nil {
		w.publish(w.latest.Load().Taken) // so that OnChange sees the change
		w.opts.OnChange(c)
	}
}

func (w *Watcher) find(id string) *Status {
	for i := range w.statuses {
		if w.statuses[i].Device.ID == id {
			return &w.statuses[i]
		}
	}
	return nil
}

// publish makes the statuses the latest snapshot. Called with mu held.
func (w *Watcher) publish(taken time.Time) {
	w.latest.Store(&Snapshot{Taken: taken, Devices: slices.Clone(w.statuses)})
}
