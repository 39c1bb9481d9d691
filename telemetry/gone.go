package telemetry

import "time"

// goneGrace is how long the series of a removed model stay, from the first reading that finds it removed. So readers at intervals
// get the last figures.
const goneGrace = 5 * time.Minute

// idle returns the models without a version that is loading or available.
func (l *lives) idle() (models []string) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for name, m := range l.models {
		if len(m.copies) == 0 {
			models = append(models, name)
		}
	}
	return models
}

// lapse notes whether a model without versions is still configured. It forgets a model that has been removed for longer than
// goneGrace.
func (l *lives) lapse(model string, gone bool, now time.Time) (forgotten bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.models[model]
	switch {
	case m == nil:
	case !gone || len(m.copies) > 0:
		m.gone = time.Time{}
	case m.gone.IsZero():
		m.gone = now
	case now.Sub(m.gone) >= goneGrace:
		delete(l.models, model)
		return true
	}
	return false
}

// dropGone drops the series of models that are no longer configured and whose last version has ended. Otherwise a server whose
// models change for years would keep all of them. It is called at each reading.
func (t *Telemetry) dropGone() {
	core, idle := t.core.Load(), t.lives.idle()
	if core == nil || len(idle) == 0 {
		return
	}
	configured := make(map[string]bool)
	for _, m := range (*core).Models() {
		configured[m.Name] = m.Configured
	}
	now := time.Now()
	for _, name := range idle {
		if t.lives.lapse(name, !configured[name], now) {
			t.forgetModel(name)
		}
	}
}

func (t *Telemetry) forgetModel(model string) {
	t.requests.drop(func(k key, _ *requestSeries) bool { return k.model == model })
	t.batches.drop(func(k batchKey, _ *batchSeries) bool { return k.model == model })
	t.versions.drop(func(k statisticsKey, _ *versionStatistics) bool { return k.model == model })
	t.models.drop(func(k string, _ *modelSeries) bool { return k == model })
	f := &t.tf
	for _, counted := range []*table[string, tfRequests]{&f.requests, &f.logged} {
		counted.drop(func(k string, _ *tfRequests) bool { return k == model })
	}
	for _, timed := range []*table[tfCall, histogram]{&f.latency, &f.runtime} {
		timed.drop(func(k tfCall, _ *histogram) bool { return k.model == model })
	}
	f.examples.drop(func(k string, _ *tfExamples) bool { return k == model })
	f.loads.drop(func(_ string, l *tfLoads) bool { return l.owner.Load().model == model })
	f.warmups.drop(func(_ tfWarm, w *tfWarmups) bool { return w.owner.Load().model == model })
}
