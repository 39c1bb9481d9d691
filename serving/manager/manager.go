// Package manager has the life of versions: it decides which of the versions that a source finds should be served, loads them, and
// unloads them when nobody wants or uses them any more.
package manager

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/source"
)

// Manager owns the versions of all models: it decides which of those the source finds should be served, loads them,
// lets requests pin them, and unloads them when nobody wants or uses them any more. Make one with New, end it with Close.
//
// One goroutine watches for versions, one a base path looks under it, one a version loads or unloads it; whatever happens is written down under mu, and
// then reconcile decides what comes next. Requests only read routes. Lock order: mu, then that of slots.
type Manager struct {
	opts      Options
	log       *slog.Logger
	routes    atomic.Pointer[routes]
	loading   *slots
	unloading *slots

	ctx    context.Context // ends with the manager: loads and looks stop
	stop   context.CancelFunc
	tasks  sync.WaitGroup // the watching goroutine and those that load and unload
	lookup chan struct{}  // capacity 1: look now

	mu         sync.Mutex
	models     map[string]*model // those once configured too: their versions' states are kept
	changed    chan struct{}     // closed, and replaced, when anything changed
	configured bool              // SetConfig was called
	draining   bool
	closed     bool
	births     int // counts lives of versions, to tell the newer of two
}

// model is a model that is or was configured. Guarded by Manager.mu.
type model struct {
	name       string
	config     serving.ModelConfig
	configured bool
	owner      owner // who configured it
	versions   map[source.Version]*version

	settledOnce bool // since it was configured: its versions have all been available or failed at one moment

	// what the last look found; looked is false until one has used the present configuration
	looked  bool
	problem error  // why the look failed
	pending string // a version that is still being copied, and why it is not taken
	note    string // what else keeps versions from being served
	said    string // the last of these that was logged
}

// version is one version and where it is in its life; after its end it may begin another. The same number at another location is
// another version. Guarded by Manager.mu.
type version struct {
	source.Version
	model       *model
	fingerprint uint64 // of the files as they were when last looked at
	state       serving.State
	err         error
	born        int
	aspired     bool
	started     bool               // its load was begun: nothing to do but wait
	gaveUp      bool               // its load failed with these files
	live        *live              // while available
	unused      bool               // while it is unloaded: its last handle was released
	cancel      context.CancelFunc // of its load
	tryAgain    chan struct{}      // capacity 1: its files changed while it waits to be loaded again
}

// New makes a manager that serves nothing until SetConfig.
func New(opts Options) *Manager {
	opts.ensureDefaults()
	m := &Manager{
		opts:      opts,
		log:       opts.Logger,
		loading:   newSlots(opts.NumLoadThreads),
		unloading: newSlots(opts.NumUnloadThreads),
		lookup:    make(chan struct{}, 1),
		models:    make(map[string]*model),
		changed:   make(chan struct{}),
	}
	m.routes.Store(&routes{})
	m.ctx, m.stop = context.WithCancel(context.Background())
	if opts.PollWait >= 0 {
		m.tasks.Go(m.watch)
	}
	return m
}

// Drain makes Ready say no, and nothing else: load balancers turn away while everything is still answered.
func (m *Manager) Drain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.draining {
		m.draining = true
		m.announce()
	}
}

// Close refuses new requests, cancels loads, unloads every version once its last handle is released, and waits for all
// that. When ctx ends first the error names the versions that are still in use; they are unloaded when they can be. Where only
// loads and unloads go on, of use to nobody, there is no error.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed, m.draining = true, true
	m.stop()
	for _, mod := range m.models {
		m.aspire(mod, nil)
	}
	m.reconcile()
	m.mu.Unlock()

	done := make(chan struct{})
	go func() {
		m.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	// Both may be ready.
	select {
	case <-done:
		return nil
	default:
	}
	inUse, unused := m.remaining()
	if len(unused) > 0 {
		m.log.Warn("left as they are, as loading or unloading them takes too long", slog.String("versions", strings.Join(unused, ", ")))
	}
	if len(inUse) > 0 {
		return status.Errorf(codes.DeadlineExceeded, "not unloaded in time: %s", strings.Join(inUse, ", "))
	}
	return nil
}

// remaining lists the versions that have not ended: those that requests hold, and the others.
func (m *Manager) remaining() (inUse, unused []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mod := range m.models {
		for _, v := range mod.versions {
			number := v.Number
			name := serving.ModelSpec{Model: mod.name, Version: &number}.String()
			switch {
			case v.state == serving.End:
			case v.state == serving.Unloading && !v.unused:
				inUse = append(inUse, name)
			default:
				unused = append(unused, name)
			}
		}
	}
	slices.Sort(inUse)
	slices.Sort(unused)
	return inUse, unused
}

// announce wakes those who wait for a change. Call with mu held.
func (m *Manager) announce() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// look asks the watching goroutine to look now.
func (m *Manager) look() {
	select {
	case m.lookup <- struct{}{}:
	default:
	}
}
