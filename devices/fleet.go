package devices

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Fleet is the devices that a running server uses. It places models, counts the memory that they take, and notifies the users of
// a device when it leaves service and returns. Its methods are safe for concurrent use.
type Fleet struct {
	selection *Selection
	groups    *Groups
	manager   Manager
	watcher   *Watcher

	mu          sync.Mutex // guards what follows; never held while subscribers are called
	subscribers []*func(Change)
	memory      map[string]*account // by device
}

// account counts TensorFlow's memory on a device. TensorFlow keeps memory that it once took, so a model also fits into memory that
// unloaded models have left.
type account struct{ used, most uint64 }

// NewFleet makes a fleet of the selected devices and the CPU. manager is open, and the fleet owns it from now on. groups may be
// nil.
func NewFleet(m Manager, s *Selection, groups *Groups, o WatchOptions) *Fleet {
	f := &Fleet{selection: s, groups: groups, manager: m, memory: make(map[string]*account)}
	var list []*Device
	for _, t := range s.Targets {
		list = append(list, t.Device)
	}
	for _, d := range s.inv.CPUs { // models may be placed there whatever the selection is
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	o.OnChange = f.tell
	f.watcher = NewWatcher(m, list, o)
	f.watcher.readAll()
	return f
}

// Run watches until ctx ends, and then closes the manager.
func (f *Fleet) Run(ctx context.Context) error {
	f.watcher.Run(ctx)
	return f.manager.Close()
}

// Snapshot implements Reader.
func (f *Fleet) Snapshot() *Snapshot { return f.watcher.Snapshot() }

// Place returns the devices of a model, each once.
func (f *Fleet) Place(model string) ([]Placement, error) {
	return f.selection.Place(f.groups.For(model))
}

// Alone reports whether TensorFlow sees no other device than this one, so that ops need not be pinned to it.
func (f *Fleet) Alone(d *Device) bool {
	return d.Kind == CPU && len(f.selection.inv.CPUs) == 1 && len(f.selection.GPUs()) == 0
}

// Reserve counts about that many bytes for a model on the device until release, or returns an error that says why the model
// cannot be there.
func (f *Fleet) Reserve(d *Device, bytes uint64) (release func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.memory[d.ID]
	if a == nil {
		a = new(account)
		f.memory[d.ID] = a
	}
	need := bytes
	switch {
	case d.Kind == CPU:
		need = 0 // mapped files and swap make an estimate useless: the kernel decides
	case bytes <= d.MemoryBytes:
		need -= min(bytes, a.most-a.used)
	}
	if err := f.Snapshot().Admit(d, need); err != nil {
		return nil, err
	}
	a.used += bytes
	a.most = max(a.most, a.used)
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		a.used -= bytes
	}), nil
}

// Fail takes a device out of service because a run on it failed and the device is to blame.
func (f *Fleet) Fail(id string, cause error) { f.watcher.Fail(id, cause) }

// InService reports whether a device may be given work, and the cause if not.
func (f *Fleet) InService(id string) (cause string, ok bool) {
	if s := f.Snapshot().Find(id); s != nil && s.State != InService {
		return s.Cause, false
	}
	return "", true
}

// Subscribe calls told at each change of a device's state, until cancel. The calls come one at a time and in order. told must
// return soon and must not call Fail. The snapshot has the new state already.
func (f *Fleet) Subscribe(told func(Change)) (cancel func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = append(f.subscribers, &told)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.subscribers = slices.DeleteFunc(slices.Clone(f.subscribers), func(s *func(Change)) bool { return s == &told })
	}
}

func (f *Fleet) tell(c Change) {
	f.mu.Lock()
	list := f.subscribers
	f.mu.Unlock()
	for _, told := range list {
		(*told)(c)
	}
}

// Log logs which devices are used, and under which of TensorFlow's names. It is called once.
func (f *Fleet) Log(log *slog.Logger) {
	var names []string
	for _, t := range f.selection.Targets {
		names = append(names, t.String()+"="+t.TensorFlowName)
	}
	log.Info("devices in use", slog.String("devices", strings.Join(names, " ")))
}
