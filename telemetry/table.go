package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// table is a map for series: read with every request, without a lock, and written when something is seen for the first
// time, by a copy of the whole. Its zero value is empty.
type table[K comparable, V any] struct {
	entries atomic.Pointer[map[K]*V]
	mu      sync.Mutex // of writers
}

// find returns nil where there is no such entry.
func (t *table[K, V]) find(k K) *V {
	if m := t.entries.Load(); m != nil {
		return (*m)[k]
	}
	return nil
}

// get makes the entry where there is none. create may be called for nothing.
func (t *table[K, V]) get(k K, create func() *V) *V {
	if v := t.find(k); v != nil {
		return v
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if v := t.find(k); v != nil {
		return v
	}
	v := create()
	m := maps.Clone(t.all())
	if m == nil {
		m = make(map[K]*V)
	}
	m[k] = v
	t.entries.Store(&m)
	return v
}

// drop forgets the entries that gone names. Whoever holds one of them counts for nobody from now on.
func (t *table[K, V]) drop(gone func(K, *V) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := maps.Clone(t.all())
	maps.DeleteFunc(m, gone)
	t.entries.Store(&m)
}

// all is the map as it is now; it never changes.
func (t *table[K, V]) all() map[K]*V {
	if m := t.entries.Load(); m != nil {
		return *m
	}
	return nil
}
