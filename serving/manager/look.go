package manager

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"shoal/serving"
	"shoal/serving/source"
)

// target is what one look looks under.
type target struct {
	mod      *model
	basePath string
}

// plan is what a look needs to know of one model, recorded before the source is asked, which may be slow.
type plan struct {
	mod    *model
	config serving.ModelConfig
	inUse  map[source.Version]bool   // loaded, or loading for the first time: not to be looked into
	failed map[source.Version]uint64 // the fingerprints of files whose load failed: they have been judged before
}

// finding is what a look found of one model.
type finding struct {
	wanted  []candidate
	problem error
	pending string
	note    string
}

// candidate is a version that should be served. fingerprint is 0 where the directory was not looked into.
type candidate struct {
	source.Version
	fingerprint uint64
}

// targets are the base paths to look under, by the names of their models.
func (m *Manager) targets() (all []target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.models)) {
		if mod := m.models[name]; mod.configured {
			all = append(all, target{mod, mod.config.BasePath})
		}
	}
	return all
}

// plan is false where there is nothing to look for under that base path any more.
func (m *Manager) plan(t target) (p plan, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mod := t.mod
	if !mod.configured || mod.config.BasePath != t.basePath {
		return plan{}, false
	}
	p = plan{mod: mod, config: mod.config, inUse: make(map[source.Version]bool), failed: make(map[source.Version]uint64)}
	for _, v := range mod.versions {
		switch {
		case v.state == serving.Available, v.aspired && v.err == nil && v.state < serving.Available:
			p.inUse[v.Version] = true
		case v.aspired && v.err != nil:
			p.failed[v.Version] = v.fingerprint
		}
	}
	return p, true
}

// find asks the source about one model, without the lock.
func (m *Manager) find(p plan, marks *arrivals) (f finding) {
	found, err := m.opts.Source.Versions(m.ctx, p.config.BasePath)
	if err != nil {
		f.problem = err
		return f
	}
	numbers := slices.Sorted(maps.Keys(found))
	slices.Reverse(numbers)
	fingerprints := make(map[int64]uint64)
	chosen := p.config.Policy.Choose(numbers, func(number int64) bool {
		v, fingerprint := m.judge(p, source.Version{Number: number, Location: found[number]}, marks)
		fingerprints[number] = fingerprint
		switch {
		case v.eligible:
		case v.pending && f.pending == "":
			f.pending = fmt.Sprintf("version %d is still being copied: %s", number, v.reason)
		case !v.pending && f.note == "":
			f.note = fmt.Sprintf("version %d cannot be loaded: %s", number, v.reason)
		}
		return v.eligible
	})
	for _, number := range chosen {
		f.wanted = append(f.wanted, candidate{source.Version{Number: number, Location: found[number]}, fingerprints[number]})
	}
	if absent := p.config.Policy.Absent(numbers); len(absent) > 0 {
		f.note = fmt.Sprintf("no directory for version %d under %s", absent[0], source.Shown(p.config.BasePath))
	} else if len(numbers) == 0 {
		f.note = fmt.Sprintf("no version under %s: a version is a directory named by a number, such as %s/1",
			source.Shown(p.config.BasePath), source.Shown(p.config.BasePath))
	}
	return f
}

// judge says whether a version may be loaded. The fingerprint is 0 where its directory was not looked into.
func (m *Manager) judge(p plan, at source.Version, marks *arrivals) (v verdict, fingerprint uint64) {
	if p.inUse[at] {
		return verdict{eligible: true}, 0
	}
	c, err := m.opts.Source.Inspect(m.ctx, at)
	if err != nil {
		return marks.missed(at.Location, err), 0
	}
	if failed, known := p.failed[at]; known && failed == c.Fingerprint {
		return verdict{eligible: true}, c.Fingerprint
	}
	return marks.judge(at.Location, c, time.Now()), c.Fingerprint
}

// found applies a look, unless the configuration changed meanwhile: another look is on its way then.
func (m *Manager) found(p plan, f finding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mod := p.mod
	if m.closed || !mod.configured || mod.moves(p.config) {
		return
	}
	if mod.looked && f.problem == nil && mod.problem != nil {
		m.log.Info("base path is there", slog.String("model", mod.name), slog.String("base_path", source.Shown(mod.config.BasePath)))
	}
	changed := !mod.looked || f.problem != nil != (mod.problem != nil) || f.pending != mod.pending || f.note != mod.note
	mod.looked, mod.problem, mod.pending, mod.note = true, f.problem, f.pending, f.note
	m.sayFinding(mod)
	if f.problem == nil {
		// A base path that cannot be read says nothing about its versions: what is served stays.
		changed = m.aspire(mod, f.wanted) || changed
	}
	if changed {
		m.reconcile()
	}
}

// sayFinding logs what keeps versions from being served, once.
func (m *Manager) sayFinding(mod *model) {
	say := mod.note
	if mod.problem != nil {
		say = describe(mod.problem)
	}
	if say != "" && say != mod.said {
		m.log.Warn("version missing", slog.String("model", mod.name), slog.String("reason", say))
	}
	mod.said = say
}
