package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// table is a map for series. Each request reads it, without a lock. A write, which happens when a key is seen for the first time,
// copies the whole map. The zero value is an empty table.
type table[K comparable, V any] struct {
	entries atomic.Pointer[map[K]*V]
	mu      sync.Mutex // of writers
}

// find returns nil if there is no such entry.
func (t *table[K, V]) find(k K) *V {
	if m := t.entries.Load(); m != nil {
		return (*m)[k]
	}
	return nil
}

// get returns the entry, and makes it if there is none. create may be called without need.
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

// drop removes the entries for which gone returns true. Counts that are added to them afterwards are lost.
func (t *table[K, V]) drop(gone func(K, *V) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := maps.Clone(t.all())
	maps.DeleteFunc(m, gone)
	t.entries.Store(&m)
}

// all returns the current map, which does not change.
func (t *table[K, V]) all() map[K]*V {
	if m := t.entries.Load(); m != nil {
		return *m
	}
	return nil
}
