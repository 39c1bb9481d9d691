package web

import (
	"fmt"

	"google.golang.org/grpc/status"

	"shoal/devices"
	"shoal/serving"
)

// state is the state of models and devices, without figures. It is sent when it changes.
type state struct {
	Ready   bool          `json:"ready"`
	Reasons []string      `json:"reasons"` // why it is not
	Models  []modelState  `json:"models"`
	Devices []deviceState `json:"devices"`
}

type modelState struct {
	Name     string           `json:"name"`
	Path     string           `json:"path"`
	Platform string           `json:"platform"`
	Removed  bool             `json:"removed,omitempty"` // no longer configured; its versions end
	Labels   map[string]int64 `json:"labels"`
	Versions []versionState   `json:"versions"` // newest first
}

type versionState struct {
	Version int64    `json:"version"`
	State   string   `json:"state"`
	Failed  bool     `json:"failed,omitempty"`
	Reason  string   `json:"reason,omitempty"` // why it failed to load
	Labels  []string `json:"labels"`
	Loaded  *loaded  `json:"loaded,omitempty"` // of an available version with a report
}

// loaded is the result of a version's load.
type loaded struct {
	MaxBatch  int               `json:"maxBatch"`  // rows run at once
	BatchFrom string            `json:"batchFrom"` // what decided that
	Instances int               `json:"instances"`
	Took      float64           `json:"took"`             // milliseconds
	Memory    int64             `json:"memory,omitempty"` // bytes that the process grew by
	Shared    bool              `json:"shared,omitempty"` // other versions were loaded at the same time
	Unbatched map[string]string `json:"unbatched,omitempty"`
	Engines   map[string]string `json:"engines,omitempty"` // of the signatures for which two were compared, and why
	AsItIs    string            `json:"asItIs,omitempty"`  // why the graph was not rewritten though it should have been
}

type deviceState struct {
	Name   string `json:"name"` // gpu:0
	Title  string `json:"title"`
	ID     string `json:"id"`
	Memory uint64 `json:"memory"` // bytes
	State  string `json:"state"`
	Cause  string `json:"cause,omitempty"`

	Uses []useState `json:"uses,omitempty"` // the versions on it
}

// deviceFigures are a device's readings. Values that it does not report are missing.
type deviceFigures struct {
	Use         devices.Value `json:"use,omitzero"`    // 0 to 1
	Memory      devices.Value `json:"memory,omitzero"` // bytes
	Power       devices.Value `json:"power,omitzero"`  // watts
	Temperature devices.Value `json:"temperature,omitzero"`
}

// maxReason bounds the text of the reason why a version failed.
const maxReason = 2000

func (p *Page) state(models []serving.ModelStatus) state {
	s := state{Models: []modelState{}, Devices: []deviceState{}}
	s.Reasons = []string{status.Convert(errStarting).Message()}
	if core := p.core.Load(); core != nil {
		s.Ready, s.Reasons = (*core).Ready()
	}
	for _, m := range models {
		if shown(&m) {
			s.Models = append(s.Models, stateOf(&m))
		}
	}
	list := p.snapshot()
	var uses map[string][]useState
	if len(list) > 0 {
		uses = p.uses(models)
	}
	for _, d := range list {
		s.Devices = append(s.Devices, deviceState{
			Name: d.Device.String(), Title: d.Device.Name, ID: d.Device.ID, Memory: d.Device.MemoryBytes, State: string(d.State), Cause: d.Cause,
			Uses: uses[d.Device.ID],
		})
	}
	return s
}

// shown reports whether the page shows a model: it is configured, or one of its versions has not ended.
func shown(m *serving.ModelStatus) bool {
	if m.Configured {
		return true
	}
	for _, v := range m.Versions {
		if live(v.State) {
			return true
		}
	}
	return false
}

func stateOf(m *serving.ModelStatus) modelState {
	s := modelState{Name: m.Name, Path: m.BasePath, Platform: m.Platform, Removed: !m.Configured, Labels: m.Labels, Versions: []versionState{}}
	for _, v := range m.Versions {
		if !live(v.State) && v.Err == nil {
			continue
		}
		shown := versionState{Version: v.Version, State: v.State.String(), Labels: v.Labels}
		if v.Err != nil {
			shown.Failed, shown.Reason = true, clip(status.Convert(v.Err).Message(), maxReason)
		}
		if v.Report != nil {
			shown.Loaded = loadedOf(v.Report)
		}
		s.Versions = append(s.Versions, shown)
	}
	return s
}

func loadedOf(r *serving.Report) *loaded {
	l := &loaded{MaxBatch: r.MaxBatchSize, BatchFrom: r.BatchSizeFrom, Instances: r.Instances, Took: millis(r.Load), Memory: r.Memory,
		Shared: r.Shared, AsItIs: clip(r.FellBack, maxReason)}
	for _, s := range r.Batching {
		if !s.Batched {
			if l.Unbatched == nil {
				l.Unbatched = make(map[string]string)
			}
			l.Unbatched[s.Signature] = clip(s.Reason, maxErrorText)
		}
	}
	for _, e := range r.Engines {
		if l.Engines == nil {
			l.Engines = make(map[string]string)
		}
		text := e.Engine
		if e.Gain > 0 {
			text += fmt.Sprintf(", measured ×%.2f, outputs differ by %.1g", e.Gain, e.Difference)
		}
		l.Engines[e.Signature] = clip(text+": "+e.Reason, maxErrorText)
	}
	return l
}

func (p *Page) snapshot() []devices.Status {
	if p.opt.Devices == nil {
		return nil
	}
	return p.opt.Devices.Snapshot().Devices
}

func (p *Page) deviceFigures() map[string]deviceFigures {
	all := make(map[string]deviceFigures)
	for _, d := range p.snapshot() {
		if r := d.Reading; d.State == devices.InService {
			all[d.Device.String()] = deviceFigures{Use: r.Utilization, Memory: r.MemoryUsed, Power: r.Power, Temperature: r.Temperature}
		}
	}
	return all
}
