package telemetry

import (
	"time"

	"shoal/serving"
)

// modelSeries holds the counts of one model.
type modelSeries struct {
	since   time.Time
	loaded  counter
	failed  counter
	load    histogram
	unloads counter
}

func newModelSeries() *modelSeries {
	s := &modelSeries{since: time.Now()}
	s.load.init(loadScale)
	return s
}

func (t *Telemetry) model(name string) *modelSeries { return t.models.get(name, newModelSeries) }

// ServingHooks returns hooks that count loads and unloads, and note which models and versions exist. They fit
// manager.Options.Hooks.
func (t *Telemetry) ServingHooks() serving.Hooks {
	return serving.Hooks{
		StateChanged:  t.stateChanged,
		LoadFinished:  t.loadFinished,
		ConfigApplied: func(int) { t.configs.add(1) },
	}
}

func (t *Telemetry) stateChanged(model string, version int64, from, to serving.State, _ error) {
	switch to {
	case serving.Start:
		t.lives.begin(model, version)
	case serving.Available: // a new copy of the version starts from zero
		k := statisticsKey{model, version}
		t.versions.drop(func(other statisticsKey, _ *versionStatistics) bool { return other == k })
		t.versions.get(k, newStatistics)
	case serving.End:
		if from == serving.Unloading {
			t.model(model).unloads.add(1)
		}
		if gone := t.lives.end(model, version); gone != serving.NoVersion {
			t.forget(model, gone)
		}
	}
}

func (t *Telemetry) loadFinished(model string, _ int64, _ int, took time.Duration, err error) {
	s := t.model(model)
	s.load.record(int64(took))
	if err != nil {
		s.failed.add(1)
		return
	}
	s.loaded.add(1)
}

// forget drops the series of a version that has ended.
func (t *Telemetry) forget(model string, version int64) {
	t.requests.drop(func(k key, _ *requestSeries) bool { return k.model == model && k.version == version })
	t.batches.drop(func(k batchKey, _ *batchSeries) bool { return k.model == model && k.version == version })
	t.versions.drop(func(k statisticsKey, _ *versionStatistics) bool { return k == statisticsKey{model, version} })
	t.tf.forget(model, version)
}
