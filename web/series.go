package web

import (
	"maps"
	"sync"
	"sync/atomic"

	"shoal/batcher"
	"shoal/tensor"
)

// key identifies a series. There is one for each loaded version, and for each model one with serving.NoVersion, which counts the
// calls that no version answered.
type key struct {
	model   string
	version int64
}

// series holds the counts of a version.
type series struct {
	latency liveHistogram // of requests
	errors  atomic.Uint32
	refused atomic.Uint32 // requests that were rejected before they were queued
	run     liveHistogram // of batches
	rows    atomic.Uint64
	size    atomic.Uint64 // rows with padding
	seen    counts        // what Run read last; only Run uses it
}

// counts holds what was read from a series.
type counts struct {
	latency, run    [buckets]uint32
	errors, refused uint32
	rows, size      uint64
}

// table finds series without a lock. It is copied when a series is added or removed.
type table struct {
	entries atomic.Pointer[map[key]*series]
	mu      sync.Mutex // of writers
}

func (t *table) all() map[key]*series {
	if m := t.entries.Load(); m != nil {
		return *m
	}
	return nil
}

// get returns a series, and makes it if there is none.
func (t *table) get(k key) *series {
	if s := t.all()[k]; s != nil {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.all()[k]; s != nil {
		return s
	}
	m := maps.Clone(t.all())
	if m == nil {
		m = make(map[key]*series)
	}
	s := new(series)
	m[k] = s
	t.entries.Store(&m)
	return s
}

// keep drops the series that are not wanted.
func (t *table) keep(wanted map[key]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone := false
	for k := range t.all() {
		gone = gone || !wanted[k]
	}
	if !gone {
		return
	}
	m := maps.Clone(t.all())
	maps.DeleteFunc(m, func(k key, _ *series) bool { return !wanted[k] })
	t.entries.Store(&m)
}

// BatchObserver returns a function for bundle.Options.Observer. It wraps the observers that next makes with one that counts
// batches for the page. next may be nil.
func (p *Page) BatchObserver(next func(model string, version int64) batcher.Observer) func(model string, version int64) batcher.Observer {
	return func(model string, version int64) batcher.Observer {
		o := &observer{Observer: batcher.NoObserver{}, page: p, key: key{model, version}}
		if next != nil {
			if n := next(model, version); n != nil {
				o.Observer = n
			}
		}
		return o
	}
}

type observer struct {
	batcher.Observer
	page *Page
	key  key
}

// BatchDone implements batcher.Observer. It looks up the series at each call, because a version may end and return.
func (o *observer) BatchDone(b batcher.BatchInfo) {
	s := o.page.series.get(o.key)
	s.run.record(b.Run)
	s.rows.Add(uint64(max(b.Rows, 1)))
	s.size.Add(uint64(max(b.Size, b.Rows, 1)))
	o.Observer.BatchDone(b)
}

// EntryRejected implements batcher.Observer.
func (o *observer) EntryRejected(sig *tensor.Signature, err error) {
	o.page.series.get(o.key).refused.Add(1)
	o.Observer.EntryRejected(sig, err)
}
