package manager

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/source"
)

// owner is who has named a model. Each owner changes its own models only; the configuration takes over those of a repository.
type owner int

const (
	ofConfiguration owner = iota // SetConfig
	ofRepository                 // Repository
)

// SetConfig makes models the whole configuration, at once: models are added and removed, policies, base paths and labels
// change. It returns when the change is accepted, before versions are loaded; see WaitSettled and Reload. An error
// leaves the old configuration as it was.
//
// Labels move with the call, so they may only name versions that are available now: FAILED_PRECONDITION otherwise. With
// Options.AllowLabelsForUnavailable only a label that exists and moves has to.
func (m *Manager) SetConfig(ctx context.Context, models []serving.ModelConfig) error {
	return m.set(ctx, models, ofConfiguration)
}

// set makes models all those of the owner. A repository's model that the configuration has named meanwhile is left to it.
func (m *Manager) set(ctx context.Context, models []serving.ModelConfig, by owner) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errShutDown
	}
	if by == ofRepository {
		models = slices.DeleteFunc(slices.Clone(models), func(c serving.ModelConfig) bool {
			mod := m.models[c.Name]
			return mod != nil && mod.configured && mod.owner == ofConfiguration
		})
	}
	if err := m.accept(models); err != nil {
		return err
	}
	m.configured = m.configured || by == ofRepository || !m.opts.AwaitRepository
	listed := make(map[string]bool, len(models))
	for _, c := range models {
		listed[c.Name] = true
		m.configure(c)
		m.models[c.Name].owner = by
	}
	for _, mod := range m.models {
		if mod.configured && mod.owner == by && !listed[mod.name] {
			m.remove(mod)
		}
	}
	m.reconcile()
	m.look()
	if f := m.opts.Hooks.ConfigApplied; f != nil && by == ofConfiguration {
		f(len(models))
	}
	return nil
}

// Reload is SetConfig that waits until the models it adds or changes have settled. The error says which of these have
// no available version then; the new configuration stays in force.
func (m *Manager) Reload(ctx context.Context, models []serving.ModelConfig) error {
	m.mu.Lock()
	var changed []string
	for _, c := range models {
		if mod := m.models[c.Name]; mod == nil || !mod.configured || mod.moves(c) {
			changed = append(changed, c.Name)
		}
	}
	m.mu.Unlock()
	if err := m.SetConfig(ctx, models); err != nil {
		return err
	}
	if err := m.waitSettled(ctx, changed); err != nil {
		return err
	}
	return m.unavailable(changed)
}

// owned are the base paths of an owner's models, by name.
func (m *Manager) owned(by owner) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]string)
	for name, mod := range m.models {
		if mod.configured && mod.owner == by {
			all[name] = mod.config.BasePath
		}
	}
	return all
}

// claims reports whether a model is configured, and by this owner.
func (m *Manager) claims(model string, by owner) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	mod := m.models[model]
	return mod != nil && mod.configured && mod.owner == by
}

// accept says whether the configuration may be applied. Call with mu held.
func (m *Manager) accept(models []serving.ModelConfig) error {
	listed := make(map[string]bool, len(models))
	for _, c := range models {
		switch {
		case c.Name == "":
			return status.Error(codes.InvalidArgument, "a model has no name")
		case c.BasePath == "":
			return status.Errorf(codes.InvalidArgument, "model %s has no base_path", c.Name)
		case listed[c.Name]:
			return errListedTwice(c.Name)
		}
		listed[c.Name] = true
		mod := m.models[c.Name]
		if mod != nil && mod.configured && mod.config.Platform != c.Platform {
			return errPlatformChanged(c.Name, mod.config.Platform, c.Platform)
		}
		for _, label := range slices.Sorted(maps.Keys(c.Labels)) {
			if err := m.acceptLabel(mod, c.Name, label, c.Labels[label]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Manager) acceptLabel(mod *model, name, label string, version int64) error {
	if mod != nil && mod.available(version) {
		return nil
	}
	if m.opts.AllowLabelsForUnavailable {
		if mod == nil || !mod.configured {
			return nil
		}
		if now, exists := mod.config.Labels[label]; !exists || now == version {
			return nil
		}
	}
	return errLabelUnavailable(name, version)
}

// configure adds or changes one model. Call with mu held.
func (m *Manager) configure(c serving.ModelConfig) {
	c.Labels = maps.Clone(c.Labels)
	c.Policy.Specific = slices.Clone(c.Policy.Specific)
	mod := m.models[c.Name]
	if mod == nil {
		mod = &model{name: c.Name, versions: make(map[source.Version]*version)}
		m.models[c.Name] = mod
	}
	log := m.log.With(slog.String("model", c.Name))
	switch {
	case !mod.configured:
		log.Info("model added", slog.String("base_path", source.Shown(c.BasePath)), slog.String("policy", c.Policy.String()))
	case mod.moves(c):
		log.Info("model changed", slog.String("base_path", source.Shown(c.BasePath)), slog.String("policy", c.Policy.String()))
	}
	m.logLabels(log, mod.config.Labels, c.Labels)
	if !mod.configured || mod.moves(c) {
		mod.forgetLook()
	}
	mod.config, mod.configured = c, true
}

// remove ends a model; its versions go, their states are kept. Call with mu held.
func (m *Manager) remove(mod *model) {
	mod.configured, mod.settledOnce = false, false
	mod.config.Labels = nil
	mod.forgetLook()
	m.aspire(mod, nil)
	m.log.Info("model removed", slog.String("model", mod.name))
}

func (m *Manager) logLabels(log *slog.Logger, was, now map[string]int64) {
	for _, label := range slices.Sorted(maps.Keys(now)) {
		from, existed := was[label]
		switch to := now[label]; {
		case !existed:
			log.Info("label set", slog.String("label", label), slog.Int64("to", to))
		case from != to:
			log.Info("label moved", slog.String("label", label), slog.Int64("from", from), slog.Int64("to", to))
		}
	}
	for _, label := range slices.Sorted(maps.Keys(was)) {
		if _, stays := now[label]; !stays {
			log.Info("label removed", slog.String("label", label), slog.Int64("from", was[label]))
		}
	}
}

// moves says whether a new configuration may change what is to be served.
func (mod *model) moves(c serving.ModelConfig) bool {
	return mod.config.BasePath != c.BasePath || !mod.config.Policy.Equal(c.Policy)
}

func (mod *model) forgetLook() {
	mod.looked, mod.problem, mod.pending, mod.note, mod.said = false, nil, "", "", ""
}

func (mod *model) available(number int64) bool {
	for _, v := range mod.versions {
		if v.Number == number && v.state == serving.Available {
			return true
		}
	}
	return false
}
