package manager

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"shoal/serving"
	"shoal/serving/source"
)

// load brings a version from START to AVAILABLE, or to END when it fails for good or is not wanted any more. Between
// two attempts it holds no slot: a model that cannot load keeps no other from loading.
func (m *Manager) load(ctx context.Context, v *version, config serving.ModelConfig, turn *ticket) {
	for attempt := 1; ; attempt++ {
		if err := turn.wait(ctx); err != nil {
			m.abandoned(v)
			return
		}
		if !m.loadBegins(ctx, v) {
			turn.done()
			m.abandoned(v)
			return
		}
		began := time.Now()
		l, err := m.attempt(ctx, v, config)
		took := time.Since(began)
		turn.done()
		switch {
		case err == nil:
			if !m.loaded(ctx, v, l, attempt, took) {
				l.close()
				m.abandoned(v)
			}
			return
		case ctx.Err() != nil:
			m.abandoned(v)
			return
		case !m.loadFailed(v, attempt, took, err):
			return
		}
		// Files that changed are as good as a new version: all its attempts are before it.
		touched, err := m.pause(ctx, v)
		if err != nil {
			m.abandoned(v)
			return
		}
		if touched {
			attempt = 0
		}
		turn = m.loading.draw()
	}
}

// pause waits for the next attempt: the retry interval, or less where the version's files are touched.
func (m *Manager) pause(ctx context.Context, v *version) (touched bool, err error) {
	timer := time.NewTimer(m.opts.LoadRetryInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, nil
	case <-v.tryAgain:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// attempt fetches and loads a version once. A source or a loader that panics has failed, and takes nothing else with it.
func (m *Manager) attempt(ctx context.Context, v *version, config serving.ModelConfig) (l *live, err error) {
	var release func()
	defer func() {
		if r := recover(); r != nil {
			m.log.Error("the loader panicked", v.attrs(slog.Any("panic", r), slog.String("stack", string(debug.Stack())))...)
			l, err = nil, status.Errorf(codes.Internal, "the loader panicked: %v", r)
		}
		if err != nil && release != nil {
			release()
		}
	}()
	dir, release, err := m.opts.Source.Fetch(ctx, v.Version)
	if err != nil {
		return nil, status.Convert(err).Err()
	}
	s, err := m.opts.Loader(config, v.Number, dir).Load(ctx)
	switch {
	case err != nil:
		return nil, status.Convert(err).Err()
	case s == nil:
		return nil, status.Errorf(codes.Internal, "the loader returned nothing for %s", source.Shown(v.Location))
	}
	return newLive(s, v.Number, release), nil
}

// loadBegins is false where the version was abandoned in the moment before.
func (m *Manager) loadBegins(ctx context.Context, v *version) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	if v.state == serving.Start {
		m.move(v, serving.Loading, nil)
		m.announce()
	}
	return true
}

// loaded makes the version available; it is false, and l the caller's to close, where it is not wanted any more.
func (m *Manager) loaded(ctx context.Context, v *version, l *live, attempt int, took time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loadFinished(v, attempt, took, nil)
	if ctx.Err() != nil {
		return false
	}
	v.live = l
	m.move(v, serving.Available, nil)
	m.sayAvailable(v, l.servable, took)
	m.reconcile()
	return true
}

// sayAvailable is the one line of the log about a load that went well.
func (m *Manager) sayAvailable(v *version, s serving.Servable, took time.Duration) {
	line := v.attrs(slog.Duration("load", took.Round(time.Millisecond)))
	if r := serving.ReportOf(s); r != nil {
		line = append(line, r.Brief()...)
		m.log.Debug("load in detail", v.attrs(r.Detail()...)...)
	}
	m.log.Info("version available", line...)
}

// loadFailed says whether to try again.
func (m *Manager) loadFailed(v *version, attempt int, took time.Duration, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loadFinished(v, attempt, took, err)
	if attempt <= m.opts.MaxLoadRetries {
		v.err = err
		m.log.Warn("load failed", v.attrs(slog.Int("attempt", attempt), slog.Int("attempts", m.opts.MaxLoadRetries+1),
			slog.Duration("next", m.opts.LoadRetryInterval), slog.String("reason", describe(err)))...)
		m.announce()
		return true
	}
	v.gaveUp = v.aspired
	m.move(v, serving.End, err)
	m.log.Error("load given up", v.attrs(slog.Int("attempts", attempt), slog.String("dir", source.Shown(v.Location)),
		slog.String("reason", describe(err)))...)
	m.reconcile()
	return false
}

func (m *Manager) loadFinished(v *version, attempt int, took time.Duration, err error) {
	if f := m.opts.Hooks.LoadFinished; f != nil {
		f(v.model.name, v.Number, attempt, took, err)
	}
}

// abandoned ends a version whose load was cancelled. Where it is wanted again by now, it begins anew.
func (m *Manager) abandoned(v *version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.move(v, serving.End, errCancelled)
	m.log.Info("load cancelled", v.attrs()...)
	if v.aspired && !m.closed {
		m.begin(v)
	}
	m.reconcile()
}

// unload waits for the last request of a version, and closes it.
func (m *Manager) unload(v *version, l *live) {
	<-l.idle
	m.mu.Lock()
	v.unused = true
	m.mu.Unlock()
	turn := m.unloading.draw()
	<-turn.granted
	began := time.Now()
	l.close()
	took := time.Since(began)
	turn.done()

	m.mu.Lock()
	defer m.mu.Unlock()
	m.move(v, serving.End, nil)
	m.log.Info("version unloaded", v.attrs(slog.Duration("unload", took.Round(time.Millisecond)))...)
	if v.aspired && !m.closed {
		m.begin(v)
	}
	m.reconcile()
}
