package manager

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"

	"shoal/serving"
	"shoal/serving/source"
)

// aspire takes down which versions of a model should be served, and says whether that changed anything. Call with mu
// held, and reconcile after it.
func (m *Manager) aspire(mod *model, wanted []candidate) (changed bool) {
	fingerprints := make(map[source.Version]uint64, len(wanted))
	for _, c := range wanted {
		fingerprints[c.Version] = c.fingerprint
		if mod.versions[c.Version] == nil {
			v := &version{Version: c.Version, model: mod, tryAgain: make(chan struct{}, 1)}
			mod.versions[c.Version] = v
			m.begin(v)
		}
	}
	for _, v := range mod.versions {
		fingerprint, want := fingerprints[v.Version]
		touched := want && fingerprint != 0 && fingerprint != v.fingerprint
		if touched {
			v.fingerprint = fingerprint
		}
		changed = changed || v.aspired != want
		v.aspired = want
		switch {
		case !want:
			v.gaveUp = false
			v.abandon()
		case v.state == serving.End && (!v.gaveUp || touched):
			m.begin(v)
			changed = true
		case v.state == serving.Loading && v.err != nil && touched:
			select {
			case v.tryAgain <- struct{}{}:
			default:
			}
		}
	}
	return changed
}

// begin starts a version's life, the first or another.
func (m *Manager) begin(v *version) {
	m.births++
	v.born, v.started, v.gaveUp, v.unused = m.births, false, false, false
	m.move(v, serving.Start, nil)
}

// abandon cancels the load of a version that is not available yet; its goroutine ends the version.
func (v *version) abandon() {
	if v.started && v.state < serving.Available {
		v.cancel()
	}
}

// move is the one place where a version's state changes. Call with mu held.
func (m *Manager) move(v *version, to serving.State, err error) {
	from := v.state
	v.state, v.err = to, err
	if f := m.opts.Hooks.StateChanged; f != nil {
		f(v.model.name, v.Number, from, to, err)
	}
	m.log.Debug("version changed state", v.attrs(slog.String("from", from.String()), slog.String("to", to.String()))...)
}

// reconcile starts what the transition policy asks for, publishes what can be served now, and wakes who waits. Call it
// with mu held after every change.
func (m *Manager) reconcile() {
	var retired []*version
	for _, name := range slices.Sorted(maps.Keys(m.models)) {
		retired = append(retired, m.step(m.models[name])...)
	}
	m.publish()
	// Only now, when no new request can find them, does the manager let go.
	for _, v := range retired {
		m.retire(v)
	}
	m.announce()
}

// step asks the transition policy about one model until there is nothing to do. It returns the versions to retire.
func (m *Manager) step(mod *model) (retired []*version) {
	versions := slices.SortedFunc(maps.Values(mod.versions), func(a, b *version) int { return cmp.Compare(a.born, b.born) })
	for {
		snapshots := make([]snapshot, len(versions))
		for i, v := range versions {
			snapshots[i] = snapshot{number: v.Number, aspired: v.aspired, phase: v.phase()}
		}
		switch what, i := nextAction(snapshots); what {
		case load:
			m.startLoad(versions[i])
		case unload:
			m.move(versions[i], serving.Unloading, nil)
			retired = append(retired, versions[i])
		default:
			return retired
		}
	}
}

func (v *version) phase() phase {
	switch v.state {
	case serving.Start:
		if !v.started {
			return fresh
		}
	case serving.Available:
		return available
	case serving.End:
		return over
	}
	return busy
}

// publish makes the available versions and the labels what requests are resolved with.
func (m *Manager) publish() {
	table := &routes{models: make(map[string]*route, len(m.models)), shutDown: m.closed}
	for name, mod := range m.models {
		r := &route{labels: mod.config.Labels}
		for _, v := range mod.newestFirst() {
			if v.state == serving.Available {
				r.versions = append(r.versions, v.live)
			}
		}
		table.models[name] = r
	}
	m.routes.Store(table)
}

// newestFirst lists a model's versions by number; of two with one number, the wanted one, then the younger, first.
func (mod *model) newestFirst() []*version {
	return slices.SortedFunc(maps.Values(mod.versions), func(a, b *version) int {
		if c := cmp.Compare(b.Number, a.Number); c != 0 {
			return c
		}
		if a.aspired != b.aspired {
			if a.aspired {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.born, a.born)
	})
}

func (v *version) attrs(more ...any) []any {
	return append([]any{slog.String("model", v.model.name), slog.Int64("version", v.Number)}, more...)
}

// startLoad gives a version to a goroutine of its own. Call with mu held.
func (m *Manager) startLoad(v *version) {
	ctx, cancel := context.WithCancel(m.ctx)
	v.started, v.cancel = true, cancel
	select {
	case <-v.tryAgain: // of an earlier life
	default:
	}
	turn := m.loading.draw()
	config := v.model.config
	m.tasks.Go(func() {
		defer cancel()
		m.load(ctx, v, config, turn)
	})
}

// retire gives a version that requests cannot find any more to a goroutine that unloads it. Call with mu held.
func (m *Manager) retire(v *version) {
	l := v.live
	v.live = nil
	l.unpin()
	m.tasks.Go(func() { m.unload(v, l) })
}
