package manager

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/source"
)

var _ serving.Core = (*Manager)(nil)

// Status implements Core.
func (m *Manager) Status(name string, number *int64) ([]serving.VersionStatus, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []serving.VersionStatus
	if mod := m.models[name]; mod != nil {
		all = mod.status()
	}
	if number == nil {
		if len(all) == 0 {
			return nil, errNoVersions(name)
		}
		return all, nil
	}
	for _, s := range all {
		if s.Version == *number {
			return []serving.VersionStatus{s}, nil
		}
	}
	return nil, errNoVersion(name, *number)
}

// Models implements Core. Models that are configured no more are listed for as long as the process lives.
func (m *Manager) Models() []serving.ModelStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []serving.ModelStatus
	for _, name := range slices.Sorted(maps.Keys(m.models)) {
		mod := m.models[name]
		all = append(all, serving.ModelStatus{
			Name: name, BasePath: source.Shown(mod.config.BasePath), Platform: mod.config.Platform,
			Configured: mod.configured, Policy: mod.config.Policy, Versions: mod.status(), Labels: maps.Clone(mod.config.Labels),
		})
	}
	return all
}

// status lists the versions newest first, each number once: the copy that is available, else the youngest.
func (mod *model) status() []serving.VersionStatus {
	var all []serving.VersionStatus
	available := false
	for _, v := range mod.newestFirst() {
		s := serving.VersionStatus{Version: v.Number, State: v.state, Err: v.err, Labels: mod.labelsOf(v.Number), Report: v.report()}
		switch last := len(all) - 1; {
		case last < 0 || all[last].Version != v.Number:
			all = append(all, s)
		case v.state == serving.Available && !available:
			all[last] = s
		default:
			continue
		}
		available = v.state == serving.Available
	}
	return all
}

// report is nil where the version is not available, or its servable tells nothing.
func (v *version) report() *serving.Report {
	if v.live == nil {
		return nil
	}
	return serving.ReportOf(v.live.servable)
}

func (mod *model) labelsOf(number int64) []string {
	var labels []string
	for label, v := range mod.config.Labels {
		if v == number {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return labels
}

// Ready implements Core.
func (m *Manager) Ready() (bool, []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var reasons, warnings []string
	if m.draining {
		reasons = append(reasons, "draining: the server is shutting down")
	}
	if !m.configured {
		reasons = append(reasons, "no configuration yet")
	}
	for _, name := range slices.Sorted(maps.Keys(m.models)) {
		mod := m.models[name]
		if !mod.configured {
			continue
		}
		if !m.isReady(mod) {
			reasons = append(reasons, fmt.Sprintf("model %s: %s", name, m.whyNot(mod)))
		} else if err := mod.impaired(); err != nil {
			reasons = append(reasons, fmt.Sprintf("model %s: %s", name, status.Convert(err).Message()))
		}
		warnings = append(warnings, mod.warnings()...)
	}
	return len(reasons) == 0, append(reasons, warnings...)
}

// isReady says whether the model can be used: a version is available, and the first versions have all settled, so that a
// server that has just started does not get traffic for one that is still loading. Call with mu held.
func (m *Manager) isReady(mod *model) bool {
	mod.settledOnce = mod.settledOnce || m.settled(mod)
	return mod.settledOnce && mod.serves()
}

func (mod *model) serves() bool {
	for _, v := range mod.versions {
		if v.state == serving.Available {
			return true
		}
	}
	return false
}

// whyNot says why a model is not ready: of the versions that are not available, the one that came furthest speaks for it.
func (m *Manager) whyNot(mod *model) string {
	if m.opts.PollWait < 0 {
		return "versions are never looked for: --file_system_poll_wait_seconds is negative"
	}
	if mod.problem != nil {
		return status.Convert(mod.problem).Message()
	}
	for _, v := range mod.newestFirst() {
		switch {
		case !v.aspired, v.state == serving.Available:
		case v.err != nil && v.state == serving.Loading:
			return fmt.Sprintf("version %d failed to load and will be tried again: %s", v.Number, describe(v.err))
		case v.err != nil:
			return fmt.Sprintf("version %d failed to load: %s", v.Number, describe(v.err))
		case v.state == serving.Start:
			return fmt.Sprintf("version %d waits to be loaded", v.Number)
		default:
			return fmt.Sprintf("version %d is %s", v.Number, strings.ToLower(v.state.String()))
		}
	}
	switch {
	case !mod.looked:
		return "its versions are being looked for"
	case mod.pending != "":
		return mod.pending
	case mod.note != "":
		return mod.note
	}
	return "no version to serve"
}

// WaitSettled waits until every configured model has come to rest: each version that should be served is available or
// has failed to load at least once, or there is none to wait for. It returns ctx's error as a status.
func (m *Manager) WaitSettled(ctx context.Context) error {
	m.mu.Lock()
	names := slices.Collect(maps.Keys(m.models))
	m.mu.Unlock()
	return m.waitSettled(ctx, names)
}

func (m *Manager) waitSettled(ctx context.Context, names []string) error {
	for {
		m.mu.Lock()
		changed := m.changed
		settled := m.closed || !slices.ContainsFunc(names, func(name string) bool { return !m.settled(m.models[name]) })
		m.mu.Unlock()
		if settled {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

func (m *Manager) settled(mod *model) bool {
	if !mod.configured || m.opts.PollWait < 0 {
		return true
	}
	if !mod.looked {
		return false
	}
	for _, v := range mod.versions {
		if v.aspired && v.state != serving.Available && v.err == nil {
			return false
		}
	}
	return mod.pending == "" || mod.serves()
}

// unavailable is the error TensorFlow Serving answers a reload with when models have no available version.
func (m *Manager) unavailable(names []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errShutDown
	}
	var failed []string
	for _, name := range names {
		mod := m.models[name]
		if !mod.configured || mod.serves() {
			continue
		}
		which, why := fmt.Sprintf("{name: %s}", name), m.whyNot(mod)
		for _, v := range mod.newestFirst() {
			if v.aspired && v.err != nil {
				which, why = fmt.Sprintf("{name: %s version: %d}", name, v.Number), describe(v.err)
				break
			}
		}
		failed = append(failed, fmt.Sprintf("{%s due to error: %s}, ", which, why))
	}
	if len(failed) == 0 {
		return nil
	}
	return status.Errorf(codes.Unknown, "%d model(s) did not become available: {%s}", len(failed), strings.Join(failed, ""))
}
