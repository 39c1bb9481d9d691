package manager

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shoal/batcher"
	"shoal/serving"
)

// While requests come without pause, versions appear and go and a label follows them: no request fails, and none runs on
// a version that was closed.
func TestVersionsComeAndGoUnderLoad(t *testing.T) {
	source, puppet := newPuppetSource(), newPuppetLoader()
	source.put("/m", 1)
	m := New(Options{Loader: puppet.loader, Source: source, PollWait: time.Millisecond})
	config := latest("m", 2)
	set := func() {
		if err := m.SetConfig(t.Context(), []serving.ModelConfig{config}); err != nil {
			t.Fatal(err)
		}
	}
	// available waits until a version is, woken by the manager's own changes.
	available := func(version int64) {
		for {
			m.mu.Lock()
			changed, there := m.changed, m.models["m"].available(version)
			m.mu.Unlock()
			if there {
				return
			}
			<-changed
		}
	}
	set()
	available(1)
	config.Labels = map[string]int64{"production": 1}
	set()

	var stop atomic.Bool
	var served [2]sync.Map
	var workers sync.WaitGroup
	for i := range 16 {
		spec := []serving.ModelSpec{{Model: "m"}, {Model: "m", Label: "production"}}[i%2]
		workers.Go(func() {
			for last := int64(0); !stop.Load(); {
				h, err := m.Handle(spec)
				if err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				if _, err := h.Run(context.Background(), batcher.Entry{}); err != nil {
					t.Errorf("a run on version %d failed: %v", h.Version, err)
				}
				if h.Version < last {
					t.Errorf("version %d after version %d", h.Version, last)
				}
				last = h.Version
				served[i%2].Store(h.Version, true)
				h.Release()
			}
		})
	}
	for version := int64(2); version <= 21; version++ {
		source.put("/m", version)
		available(version)
		config.Labels = map[string]int64{"production": version}
		set()
		source.drop("/m", version-1)
		// Each version is used, as the newest and by label, before it goes.
		for i := 0; i < 2 && !t.Failed(); {
			h, err := m.Handle(serving.ModelSpec{Model: "m", Version: &version})
			if err != nil {
				t.Error(err)
				break
			}
			h.Release()
			if _, used := served[i].Load(version); used {
				i++
			}
		}
	}
	stop.Store(true)
	workers.Wait()
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if open := puppet.open(); len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	all, _ := m.Status("m", nil)
	if len(all) != 21 {
		t.Errorf("%d versions in the status, want 21", len(all))
	}
	for _, v := range all {
		if v.State != serving.End || v.Err != nil {
			t.Errorf("version %d: %s %v", v.Version, v.State, v.Err)
		}
	}
}

func TestCloseWhileLoadsComeAndGo(t *testing.T) {
	for range 50 {
		source, puppet := newPuppetSource(), newPuppetLoader()
		source.put("/m", 1, 2, 3, 4)
		m := New(Options{Loader: puppet.loader, Source: source, PollWait: time.Microsecond, NumLoadThreads: 2})
		c := serving.ModelConfig{Name: "m", BasePath: "/m", Policy: serving.VersionPolicy{All: true}}
		if err := m.SetConfig(t.Context(), []serving.ModelConfig{c}); err != nil {
			t.Fatal(err)
		}
		var others sync.WaitGroup
		others.Go(func() { source.drop("/m", 2, 4); source.put("/m", 5) })
		others.Go(func() { _ = m.SetConfig(t.Context(), []serving.ModelConfig{latest("m", 1)}) })
		others.Go(func() {
			if h, err := m.Handle(serving.ModelSpec{Model: "m"}); err == nil {
				h.Release()
			}
		})
		if err := m.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		others.Wait()
		if open := puppet.open(); len(open) > 0 {
			t.Fatalf("not closed: %v", open)
		}
		for _, v := range m.Models()[0].Versions {
			if v.State != serving.End {
				t.Fatalf("version %d is %s after Close", v.Version, v.State)
			}
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	source, puppet := newPuppetSource(), newPuppetLoader()
	source.put("/m", 1)
	m := New(Options{Loader: puppet.loader, Source: source})
	if err := m.Reload(b.Context(), []serving.ModelConfig{latest("m", 1)}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h, err := m.Handle(serving.ModelSpec{Model: "m"})
			if err != nil {
				b.Error(err)
				return
			}
			h.Release()
		}
	})
	if err := m.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
