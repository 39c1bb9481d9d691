package manager

import (
	"sync/atomic"

	"shoal/serving"
)

// routes is what requests are resolved with: an immutable table, replaced as a whole whenever a version becomes
// available or goes, or a label moves. A request takes no lock.
type routes struct {
	models   map[string]*route
	shutDown bool
}

// route is one model's: its available versions, newest first, and its labels.
type route struct {
	versions []*live
	labels   map[string]int64
}

func (r *route) find(number int64) *live {
	for _, l := range r.versions {
		if l.number == number {
			return l
		}
	}
	return nil
}

// Handle implements Core.
func (m *Manager) Handle(spec serving.ModelSpec) (*serving.Handle, error) {
	for {
		l, err := m.routes.Load().resolve(spec)
		if err != nil {
			return nil, err
		}
		// A version that cannot be pinned any more was taken out of the table before: the next look sees a newer one.
		if l.pin() {
			return serving.NewHandle(l.servable, spec.Model, l.number, l.release), nil
		}
	}
}

// resolve is the one place where a request's model, version and label become a version.
func (t *routes) resolve(spec serving.ModelSpec) (*live, error) {
	if t.shutDown {
		return nil, errShutDown
	}
	r := t.models[spec.Model]
	if spec.Label != "" {
		if r == nil {
			return nil, errUnknownLabel(spec.Label)
		}
		number, ok := r.labels[spec.Label]
		if !ok {
			return nil, errUnknownLabel(spec.Label)
		}
		spec.Version = &number
	}
	switch {
	case r == nil || len(r.versions) == 0:
	case spec.Version == nil:
		return r.versions[0], nil
	default:
		if l := r.find(*spec.Version); l != nil {
			return l, nil
		}
	}
	return nil, errNotServed(spec)
}

// live is a loaded servable and the count of those who use it: the manager's own pin, and one a handle.
type live struct {
	servable serving.Servable
	number   int64
	fetched  func() // releases the fetched directory
	release  func() // unpin, made once: a handle costs one allocation
	pins     atomic.Int64
	idle     chan struct{} // closed when the last pin has gone
}

func newLive(s serving.Servable, number int64, fetched func()) *live {
	l := &live{servable: s, number: number, fetched: fetched, idle: make(chan struct{})}
	l.pins.Store(1)
	l.release = l.unpin
	return l
}

// close gives everything back, when nobody can pin it any more.
func (l *live) close() {
	l.servable.Close()
	l.fetched()
}

// pin fails once the count has come down to nothing: it never rises again.
func (l *live) pin() bool {
	for {
		n := l.pins.Load()
		if n == 0 {
			return false
		}
		if l.pins.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (l *live) unpin() {
	if l.pins.Add(-1) == 0 {
		close(l.idle)
	}
}
