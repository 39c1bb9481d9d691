package telemetry

import (
	"shoal/serving"
	"shoal/tensor"
)

// WatchBudget makes the gauges read what requests hold. nil: there are no such gauges.
func (t *Telemetry) WatchBudget(b *tensor.Budget) { t.budget.Store(b) }

// budgetSamples reads what requests hold.
func (t *Telemetry) budgetSamples(e *emitter) {
	if b := t.budget.Load(); b != nil {
		e.number(&inflight, t.since, float64(b.Used()))
		e.number(&inflightLimit, t.since, float64(b.Limit()))
		e.number(&inflightRefused, t.since, float64(b.Refused()))
	}
}

// coreSamples reads the values that are states and not counts.
func (t *Telemetry) coreSamples(e *emitter) {
	core := t.core.Load()
	if core == nil {
		return
	}
	isReady, _ := (*core).Ready()
	e.number(&ready, t.since, oneIf(isReady))
	for _, m := range (*core).Models() {
		if !m.Configured {
			continue
		}
		states := make(map[serving.State]int)
		for _, v := range m.Versions {
			states[v.State]++
			if v.State == serving.Available {
				t.versionSamples(e, *core, m.Name, v.Version)
				t.reportSamples(e, m.Name, &v)
			}
		}
		for _, s := range []serving.State{serving.Start, serving.Loading, serving.Available, serving.Unloading} {
			e.number(&modelVersions, t.since, float64(states[s]), m.Name, s.String())
		}
	}
}

// versionSamples pins the version while it reads its values.
func (t *Telemetry) versionSamples(e *emitter, core serving.Core, model string, version int64) {
	h, err := core.Handle(serving.ModelSpec{Model: model, Version: &version})
	if err != nil {
		return // it was unloaded in the meantime
	}
	defer h.Release()
	t.useSamples(e, h, model, versionLabel(version))
	s, ok := h.Stats()
	if !ok {
		return
	}
	v := versionLabel(version)
	e.number(&queueRequests, t.since, float64(s.Entries), model, v)
	e.number(&queueRows, t.since, float64(s.Rows), model, v)
	e.number(&queueOldest, t.since, s.Oldest.Seconds(), model, v)
	e.number(&instancesBusy, t.since, float64(s.Busy), model, v)
	e.number(&instances, t.since, float64(s.Instances), model, v)
	e.number(&instancesOverdue, t.since, float64(s.Overdue), model, v)
	e.number(&instancesInService, t.since, float64(s.InService), model, v)
	e.number(&loadRatio, t.since, s.Load, model, v)
	e.number(&runsWaiting, t.since, float64(s.Waiting), model, v)
	e.number(&runProcessor, t.since, s.Used.Seconds(), model, v)
}

// reportSamples emits the results of a version's load. It leaves out what is not known.
func (t *Telemetry) reportSamples(e *emitter, model string, s *serving.VersionStatus) {
	r, v := s.Report, versionLabel(s.Version)
	if r == nil {
		return
	}
	for _, p := range r.Phases {
		e.number(&loadPhase, t.since, p.Took.Seconds(), model, v, p.Name)
	}
	if r.Memory > 0 {
		e.number(&modelMemory, t.since, float64(r.Memory), model, v)
	}
	if r.Weights > 0 {
		e.number(&modelWeights, t.since, float64(r.Weights), model, v)
	}
	e.number(&maxBatchSize, t.since, float64(r.MaxBatchSize), model, v, r.BatchSizeFrom)
	for _, b := range r.Batching {
		e.number(&signatureBatched, t.since, oneIf(b.Batched), model, v, b.Signature)
	}
	for _, s := range r.Engines {
		if s.Gain > 0 {
			e.number(&signatureSpeed, t.since, s.Gain, model, v, s.Signature, s.Engine)
		}
		if s.Runs > 0 {
			e.number(&engineRuns, t.since, float64(s.Runs-s.Returned), model, v, s.Signature, "answered")
			e.number(&engineRuns, t.since, float64(s.Returned), model, v, s.Signature, "returned")
		}
	}
	e.number(&fellBack, t.since, oneIf(r.FellBack != ""), model, v)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
